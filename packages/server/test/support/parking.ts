/** Sessions whose turn waits for a permission, on servers that end and start again. */
import type { PermissionRequest, SessionEvent, TurnResult } from 'claude-agent-protocol';
import { type TestContext, vi } from 'vitest';
import { script } from './api.ts';
import { cleanUp, startTestServer, type TestServer } from './server.ts';

/** Waits for something to become true; `expect.poll` cannot tell concurrent tests apart. */
export const until = (check: () => Promise<boolean> | boolean): Promise<void> =>
  vi.waitFor(
    async () => {
      if (!(await check())) throw new Error('It did not become true in time.');
    },
    { timeout: 30_000, interval: 50 },
  );

export type Start = (options?: Parameters<typeof startTestServer>[0]) => Promise<TestServer>;

/** Starts servers one after the other on the same folders; they go with the test. */
export function servers({ onTestFinished }: TestContext): Start {
  let last: TestServer | undefined;
  onTestFinished(() => cleanUp(last));
  return async (options = {}) => {
    last = await startTestServer({ ...options, ...(last && { on: last }) });
    return last;
  };
}

/** A session with a message that waits for a permission to write a line. */
export async function ask(
  on: TestServer,
  options: Record<string, unknown> = {},
  message = bash('asked'),
): Promise<{ id: string; request: PermissionRequest; key: string }> {
  const { session_id: id } = await on.createSession(options);
  const key = crypto.randomUUID();
  await on.call(
    'POST',
    `/sessions/${id}/messages`,
    { message },
    {
      headers: { prefer: 'respond-async', 'idempotency-key': key },
    },
  );
  return { id, key, request: await pending(on, id) };
}

export const bash = (word: string): string =>
  script(
    { tools: [{ name: 'Bash', input: { command: `echo ${word} >> ran.txt` } }] },
    { say: 'It is done, says {{result}}' },
  );

export async function pending(on: TestServer, id: string): Promise<PermissionRequest> {
  let found: PermissionRequest | undefined;
  await until(async () => {
    found = (await on.status(id)).pending_permissions[0];
    return found !== undefined;
  });
  return found as PermissionRequest;
}

export const respond = (
  on: TestServer,
  id: string,
  answer: Record<string, unknown>,
): Promise<{ status: number }> => on.call('POST', `/sessions/${id}/permissions/respond`, answer);

/** The same request under its key: the same turn, to its end. */
export const sendAgain = async (
  on: TestServer,
  id: string,
  key: string,
  message = bash('asked'),
): Promise<TurnResult> => {
  const { body } = await on.call<TurnResult>(
    'POST',
    `/sessions/${id}/messages`,
    { message },
    {
      headers: { 'idempotency-key': key },
    },
  );
  return body;
};

export const eventsOf = async (on: TestServer, id: string): Promise<SessionEvent[]> =>
  (
    await on.call<{ events: SessionEvent[] }>('GET', `/sessions/${id}/events?limit=10000`, undefined, {
      headers: { accept: 'application/json' },
    })
  ).body.events;
