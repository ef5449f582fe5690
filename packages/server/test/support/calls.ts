import {
  Problem,
  type SessionCreated,
  type SessionDetail,
  type Turn,
  type TurnResult,
} from 'claude-agent-protocol';
import { expect } from 'vitest';
import { type Answer, firstFrame, script } from './api.ts';
import type { Transport } from './transports.ts';

/** An id that no session has. */
export const UNKNOWN = '00000000-0000-4000-8000-000000000000';

/** The placeholder of a session's routes. */
export const at = (session_id: string) => ({ params: { session_id } });

/** The calls that many tests make, over a transport. */
export interface Calls {
  /** Fails the test when there is no session. */
  create(body?: unknown): Promise<SessionCreated>;
  send(id: string, message: unknown): Promise<Answer<TurnResult>>;
  status(id: string): Promise<SessionDetail>;
  close(id: string): Promise<Answer<Record<string, unknown>>>;
  respond(id: string, body: unknown): Promise<Answer<Record<string, unknown>>>;
  turn(id: string, turnId: string): Promise<Turn>;
  /** The turn when it has ended, in whatever state. */
  ended(id: string, turnId: string): Promise<Turn>;
  /** Settles when the session asks for something: with its status then. */
  asked(id: string): Promise<SessionDetail>;
}

export function callsOver(api: Transport): Calls {
  const status = async (id: string): Promise<SessionDetail> =>
    (await api.call<SessionDetail>('GET', '/sessions/{session_id}/status', at(id))).body;
  const turn = async (session_id: string, turn_id: string): Promise<Turn> => {
    const params = { session_id, turn_id };
    return (await api.call<Turn>('GET', '/sessions/{session_id}/turns/{turn_id}', { params })).body;
  };
  return {
    async create(body = {}) {
      const answer = await api.call<SessionCreated>('POST', '/sessions', { body });
      expect(answer).toMatchObject({ status: 200 });
      return answer.body;
    },
    send: (id, message) =>
      api.call<TurnResult>('POST', '/sessions/{session_id}/messages', { ...at(id), body: { message } }),
    status,
    turn,
    async ended(id, turnId) {
      const ends = ['turn.completed', 'turn.failed', 'turn.interrupted'];
      await firstFrame(
        api.stream('GET', '/sessions/{session_id}/events', at(id)),
        (frame) => ends.includes(frame.event) && frame.data.turn_id === turnId,
      );
      return turn(id, turnId);
    },
    close: (id) => api.call('DELETE', '/sessions/{session_id}', at(id)),
    respond: (id, body) =>
      api.call('POST', '/sessions/{session_id}/permissions/respond', { ...at(id), body }),
    async asked(id) {
      // The number first: what is asked after it is in the stream.
      const { last_seq } = await status(id);
      const now = await status(id);
      if (now.pending_permission) return now;
      await firstFrame(
        api.stream('GET', '/sessions/{session_id}/events', { ...at(id), query: { after: last_seq } }),
        (frame) => frame.event === 'permission.requested',
      );
      return status(id);
    },
  };
}

/** What the agent said in a turn. */
export const textOf = ({ body }: Answer<TurnResult>): string =>
  body.messages.flatMap((item) => (item.type === 'text' ? [item.content] : [])).join('\n');

/** Fails unless an answer is this problem, in the form that every problem has. */
export function expectProblem(answer: Answer<unknown>, status: number, code: string): Problem {
  expect({ status: answer.status, body: answer.body }).toMatchObject({ status, body: { status, code } });
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  return Problem.parse(answer.body);
}

/** A prompt that makes the agent write a file, which it asks for. */
export const write = (file: string, then = '{{result}}'): string =>
  script({ tools: [{ name: 'Write', input: { file_path: file, content: 'written' } }] }, { say: then });
