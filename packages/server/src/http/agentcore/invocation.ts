import { isTurnEnd, type RouteInput, type routes, type Turn } from 'claude-agent-protocol';
import { problem } from '../../errors.ts';
import { framesOf } from './frames.ts';
import type { Call, RuntimeSessions } from './sessions.ts';

type Payload = RouteInput<typeof routes.invoke>['body'];

/** One invocation in a form that names no path: `{"prompt"}`, `{"input"}` or `{"permission"}`. */
export interface Invocation {
  payload: NonNullable<Payload>;
  /** As the header says. */
  runtimeId: string | undefined;
  /** The caller takes a stream. */
  streams: boolean;
  call: Call;
  /** Fires when the caller is gone: its turn goes on. */
  signal: AbortSignal;
}

/** A number beyond the last event: what comes from now on. */
const END = 999_999_999_999_999;

/** Whether a payload is one of these forms. */
export const isPlain = ({ prompt, input, permission }: NonNullable<Payload>): boolean =>
  (prompt ?? input ?? permission ?? undefined) !== undefined;

/**
 * Answers an invocation of AgentCore: a message to the session of its id. The answer comes when the turn ends, or when it
 * waits for a permission, because nobody could answer that while the platform waits; with `permission` the next
 * invocation answers it, and gets the rest of the turn.
 */
export async function invoke(sessions: RuntimeSessions, invocation: Invocation): Promise<Response> {
  const { payload, streams, call, signal } = invocation;
  const runtimeId = invocation.runtimeId ?? payload.session_id ?? undefined;
  if (!runtimeId) throw problem('runtime_session_missing');
  const id = await sessions.sessionOf(call, runtimeId);
  if (typeof id !== 'string') return id;
  const path = `/sessions/${id}`;
  const message = payload.prompt ?? payload.input ?? undefined;
  if (message !== undefined && streams) {
    return call('POST', `${path}/messages`, { message }, { accept: 'text/event-stream' });
  }
  const events = await call('GET', `${path}/events?after=${END}`, undefined, {
    accept: 'text/event-stream',
  });
  if (!events.body || !events.ok) return events;
  const over = new AbortController();
  const following = follow(events.body, AbortSignal.any([signal, over.signal]));
  try {
    const begun = message === undefined ? await answer(call, path, payload) : await send(call, path, message);
    if (begun instanceof Response) return begun;
    const waits = begun.state === 'queued' && (await pendingOf(call, path)).length > 0;
    if (!waits) await following.until(begun.turnId);
    return Response.json(await outcomeOf(call, path, begun.turnId));
  } finally {
    over.abort();
  }
}

async function send(
  call: Call,
  path: string,
  message: unknown,
): Promise<{ turnId: string; state: string } | Response> {
  const sent = await call('POST', `${path}/messages`, { message }, { prefer: 'respond-async' });
  if (!sent.ok) return sent;
  const { turn_id: turnId, state } = (await sent.json()) as { turn_id: string; state: string };
  return { turnId, state };
}

async function answer(
  call: Call,
  path: string,
  { permission }: NonNullable<Payload>,
): Promise<{ turnId: string; state: string } | Response> {
  const [asked] = (await pendingOf(call, path)).filter(({ request_id: id }) => id === permission?.request_id);
  const answered = await call('POST', `${path}/permissions/respond`, permission);
  if (!answered.ok || !asked?.turn_id) return answered;
  return { turnId: asked.turn_id, state: 'running' };
}

interface Pending {
  request_id: string;
  turn_id: string | null;
}

async function pendingOf(call: Call, path: string): Promise<Pending[]> {
  const status = await call('GET', `${path}/status`);
  if (!status.ok) return [];
  return ((await status.json()) as { pending_permissions: Pending[] }).pending_permissions;
}

/** What has become of a turn. */
async function outcomeOf(call: Call, path: string, turnId: string): Promise<object> {
  const [turn, permissions] = await Promise.all([
    call('GET', `${path}/turns/${turnId}`).then((response) => response.json() as Promise<Turn>),
    pendingOf(call, path),
  ]);
  const { result } = turn;
  const texts = (result?.messages ?? []).flatMap((item) => (item.type === 'text' ? [item.content] : []));
  return {
    result: result === null ? null : (texts.at(-1) ?? ''),
    status: result === null ? 'waiting' : turn.state,
    session_id: turn.session_id,
    turn_id: turnId,
    is_error: result?.is_error ?? false,
    error: result?.error ?? null,
    cost_usd: result?.cost_usd ?? null,
    messages: result?.messages ?? [],
    permissions: result === null ? permissions : [],
  };
}

/** Reads the events of a session, from before its turn is known. */
function follow(body: ReadableStream<Uint8Array>, signal: AbortSignal) {
  const seen = new Set<string>();
  let waiting: { turnId: string; resolve: () => void } | undefined;
  let ended = false;
  const reading = framesOf(body)
    .pipeTo(
      new WritableStream({
        write({ event, data }) {
          if (!event || (event !== 'permission.requested' && !isTurnEnd({ type: event }))) return;
          const { turn_id: turnId } = JSON.parse(data) as { turn_id: string };
          seen.add(turnId);
          if (waiting?.turnId === turnId) waiting.resolve();
        },
      }),
      { signal },
    )
    .catch(() => {})
    .finally(() => {
      ended = true;
      waiting?.resolve();
    });
  return {
    /** Settles when the turn ends or asks, or when there is nothing more to read. */
    async until(turnId: string): Promise<void> {
      if (seen.has(turnId) || ended) return;
      await new Promise<void>((resolve) => {
        waiting = { turnId, resolve };
      });
      void reading;
    },
  };
}
