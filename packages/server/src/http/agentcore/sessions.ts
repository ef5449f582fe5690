import type { Session, SessionCreated } from 'claude-agent-protocol';
import type { Hono } from 'hono';
import type { HttpEnv } from '../auth.ts';

/** The header in which AgentCore names the session of an invocation. */
export const SESSION_HEADER = 'x-amzn-bedrock-agentcore-runtime-session-id';

/** Under this name a session's metadata has AgentCore's id. */
const MEMBER = 'agentcore_session_id';

/** Another request through the same application, with the rights of the one that is being answered. */
export type Call = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Readonly<Record<string, string>>,
) => Promise<Response>;

/** Sessions by the ids that AgentCore has for them. */
export interface RuntimeSessions {
  /** The session of an id: made on first use, opened again when it was closed. @returns its id, or the refusal */
  sessionOf(call: Call, runtimeId: string): Promise<string | Response>;
}

export function createRuntimeSessions(): RuntimeSessions {
  /** First requests of one id wait for each other: they mean one session. */
  const opening = new Map<string, Promise<string | Response>>();

  const open = async (call: Call, runtimeId: string): Promise<string | Response> => {
    const query = new URLSearchParams({
      metadata: JSON.stringify({ [MEMBER]: runtimeId }),
      status: 'all',
      limit: '1',
    });
    const listed = await call('GET', `/sessions?${query}`);
    if (!listed.ok) return listed;
    const { sessions } = (await listed.json()) as { sessions: Session[] };
    const [known] = sessions;
    if (known?.status === 'connected') return known.session_id;
    const request = known
      ? { resume_session_id: known.session_id, start: 'lazy' }
      : { metadata: { [MEMBER]: runtimeId } };
    const created = await call('POST', '/sessions', request);
    return created.ok ? ((await created.json()) as SessionCreated).session_id : created;
  };

  return {
    async sessionOf(call, runtimeId) {
      const under = opening.get(runtimeId);
      const begun = under ?? open(call, runtimeId).finally(() => opening.delete(runtimeId));
      opening.set(runtimeId, begun);
      const found = await begun;
      // A response is read once.
      return typeof found === 'string' ? found : found.clone();
    },
  };
}

/** Further requests with the headers of another, but for what that one accepts. */
export const callOf =
  (app: Hono<HttpEnv>, env: HttpEnv['Bindings'], inherited: Headers, origin: string): Call =>
  async (method, path, body, more = {}) => {
    const headers = new Headers(inherited);
    headers.delete('accept');
    headers.delete('idempotency-key');
    for (const [name, value] of Object.entries(more)) headers.set(name, value);
    if (body !== undefined) headers.set('content-type', 'application/json');
    return app.fetch(
      new Request(new URL(path, origin), {
        method,
        headers,
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
      env,
    );
  };
