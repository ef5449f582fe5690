import type { TurnResult } from 'claude-agent-protocol';
import { type SseFrame, script } from './api.ts';
import type { TestServer } from './server.ts';

/** What the server has acknowledged: none of it may be lost, whatever happens to the server. */
export interface Ledger {
  /** Sessions and turns whose creation was answered. */
  turns: Map<string, { sessionId: string; key: string | null }>;
  results: Map<string, TurnResult>;
  /** Durable events that were shown, by session and number. */
  events: Map<string, Map<number, SseFrame['data']>>;
  /** Permission requests whose answer was accepted. */
  answered: Set<string>;
  /** Messages of which nobody knows whether they arrived. */
  unknown: { sessionId: string; key: string; message: string }[];
  /** Answers that a live server must not give. */
  problems: string[];
}

export const createLedger = (): Ledger => ({
  turns: new Map(),
  results: new Map(),
  events: new Map(),
  answered: new Set(),
  unknown: [],
  problems: [],
});

/** Sessions by what happens in them. */
export interface Cast {
  /** Runs a command that never ends. */
  command: string;
  /** Talks without end, with two more messages in its queue. */
  queue: string;
  /** Waits for permission. */
  permission: string;
  /** Answers one quick message after the other. */
  busy: string;
}

/** Puts a server under load until it is killed; settles when every call is over. */
export async function load(server: TestServer, ledger: Ledger, cast: Cast, round: number): Promise<void> {
  const send = async (
    sessionId: string,
    key: string,
    message: string,
    blocking = false,
  ): Promise<boolean> => {
    try {
      const { status, body } = await server.call<TurnResult>(
        'POST',
        `/sessions/${sessionId}/messages`,
        { message },
        { headers: { 'idempotency-key': key, ...(!blocking && { prefer: 'respond-async' }) } },
      );
      if (status >= 300) ledger.problems.push(`${status} for "${message}": ${JSON.stringify(body)}`);
      ledger.turns.set(body.turn_id, { sessionId, key });
      if (blocking) ledger.results.set(body.turn_id, body);
      return true;
    } catch {
      ledger.unknown.push({ sessionId, key, message });
      return false;
    }
  };

  const watch = async (sessionId: string): Promise<void> => {
    const seen = ledger.events.get(sessionId) ?? new Map<number, SseFrame['data']>();
    ledger.events.set(sessionId, seen);
    const headers = { 'last-event-id': String(Math.max(0, ...seen.keys())) };
    try {
      for await (const { id, event, data } of server.stream(`/sessions/${sessionId}/events`, { headers })) {
        if (id === undefined) continue;
        if (Number(id) !== seen.size + 1)
          ledger.problems.push(`${event} ${id} after ${seen.size} in ${sessionId}`);
        seen.set(Number(id), data);
        if (event === 'permission.requested' && round % 2 === 1)
          await answer(sessionId, data.data.request_id);
      }
    } catch {
      // the server is gone
    }
  };

  const answer = async (sessionId: string, requestId: string): Promise<void> => {
    const body = { request_id: requestId, allowed: true };
    const { status } = await server.call('POST', `/sessions/${sessionId}/permissions/respond`, body);
    if (status === 200) ledger.answered.add(requestId);
  };

  const touch = (n: number): string => `touch ${round}-${n}.txt`;
  const bash = (command: string) => ({ tools: [{ name: 'Bash', input: { command } }] });
  const work = [
    ...Object.values(cast).map(watch),
    send(
      cast.command,
      `command ${round}`,
      script({ hold: `command ${round}`, ...bash(`tail -f /dev/null # ${round}`) }),
    ),
    (async () => {
      const steps = script({ hold: `queue ${round}`, say: 'on and on '.repeat(200), word_delay_ms: 30 });
      if (!(await send(cast.queue, `queue ${round}`, steps))) return;
      for (const n of [1, 2]) {
        if (!(await send(cast.queue, `queued ${round}-${n}`, `say queued ${round}-${n}`))) return;
      }
    })(),
    send(cast.permission, `permission ${round}`, script(bash(touch(1)), bash(touch(2)))),
    (async () => {
      for (let n = 0; await send(cast.busy, `busy ${round}-${n}`, `say busy ${round}-${n}`, true); n++);
    })(),
  ];
  await Promise.all(work);
}
