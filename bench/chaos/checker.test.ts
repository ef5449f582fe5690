import type { SessionEvent } from 'claude-agent-protocol';
import { describe, expect, test } from 'vitest';
import type { PermissionRecord, StoredEvent, TurnRecord } from '../../packages/server/src/store/store.ts';
import { undocumented } from './caller.ts';
import { check, type Findings } from './checker.ts';
import type { Evidence, SessionEvidence } from './evidence.ts';
import { createJournal, type Journal, type ReaderRecord, type SentMessage } from './journal.ts';

const ID = 'session';
const RESULT = { turn_id: 'turn', is_error: false } as unknown as NonNullable<TurnRecord['result']>;

const PROMPT = {
  ...{ type: 'user', uuid: 'turn', timestamp: 'then', promptId: 'prompt' },
  message: { content: 'please m1x1' },
};

interface World {
  journal: Journal;
  session: SessionEvidence;
  message: SentMessage;
  turn: TurnRecord;
  request: PermissionRecord;
  reader: ReaderRecord;
}

/** A turn with one call that was asked for and allowed, all in order. */
function world(): World {
  const call = { id: 'call', type: 'tool_use', name: 'Bash', input: { command: 'echo m1x1 >> f' } };
  const log: [string, unknown][] = [
    ['turn.queued', {}],
    ['turn.started', {}],
    ['agent.message', { type: 'assistant', message: { content: [call] } }],
    ['permission.requested', { request_id: 'request' }],
    ['permission.resolved', { request_id: 'request' }],
    ['agent.message', { type: 'user', message: { content: [{ type: 'tool_result', tool_use_id: 'call' }] } }],
    ['turn.completed', { result: RESULT }],
  ];
  const events = log.map(([type, data], index) => ({
    ...{ sessionId: ID, turnId: 'turn', type, at: '', json: JSON.stringify(data) },
    ...{ seq: index + 1, cursor: index + 1 },
  })) as StoredEvent[];
  const turn = {
    id: 'turn',
    state: 'completed',
    idempotencyKey: 'key',
    endedAt: 'now',
    result: RESULT,
  } as TurnRecord;
  const request = {
    ...{ id: 'request', sessionId: ID, turnId: 'turn', durable: true, state: 'allowed', reason: 'answered' },
    toolInput: call.input as Record<string, unknown>,
  } as PermissionRecord;
  const session: SessionEvidence = {
    turns: [turn],
    events,
    permissions: [request],
    transcript: [PROMPT],
    effects: ['m1x1'],
  };
  const message: SentMessage = {
    ...{ sessionId: ID, tag: 'm1', key: 'key', text: 'please m1x1', whenBusy: 'queue' },
    acknowledged: new Set(['turn']),
    results: new Map([['turn', RESULT]]),
  };
  const seen = events.map(({ seq, type, json }) => ({
    id: seq,
    event: { seq, type, data: JSON.parse(json) } as SessionEvent,
  }));
  const reader: ReaderRecord = {
    ...{ name: 'reader', sessionId: ID, restarts: false },
    connections: [seen.slice(0, 3), seen.slice(3)],
  };
  const journal = createJournal();
  journal.sessions.set(ID, { file: 'f', onCrash: 'interrupt' });
  journal.messages.push(message);
  journal.answers.set('request', { sessionId: ID, allowed: true, edited: false, acknowledged: true });
  journal.readers.push(reader);
  return { journal, session, message, turn, request, reader };
}

/** The names of what the checker finds once this was done to the records. */
function found(breakIt: (records: World) => void, over = true): (keyof Findings)[] {
  const records = world();
  breakIt(records);
  const evidence: Evidence = new Map([[ID, records.session]]);
  const findings = check(records.journal, evidence, { over });
  return (Object.keys(findings) as (keyof Findings)[]).filter((name) => findings[name].length > 0);
}

test('records in which nothing is wrong give no findings', () => {
  expect(found(() => {})).toEqual([]);
});

test('a message that stands in a copy, or in a conversation that a node wrote from the log, was not got again', () => {
  const { promptId: _, ...fromLog } = PROMPT;
  expect(found(({ session }) => session.transcript.push(PROMPT))).toEqual([]);
  expect(found(({ session }) => session.transcript.push({ ...fromLog, timestamp: 'later' }))).toEqual([]);
  const steered = { type: 'queued_command', prompt: 'please m1x1' };
  expect(
    found(({ session }) => {
      session.transcript = [{ type: 'attachment', uuid: 'b', attachment: steered }, fromLog];
    }),
  ).toEqual([]);
});

describe('the checker of a chaos bench finds', () => {
  test.each<[string, keyof Findings, (records: World) => void]>([
    [
      'a session that is not there',
      'lost',
      ({ journal }) => journal.sessions.set('other', { file: 'g', onCrash: 'interrupt' }),
    ],
    ['an acknowledged turn that is not there', 'lost', ({ message }) => message.acknowledged.add('another')],
    [
      'a message without a turn',
      'lost',
      ({ turn, message }) => {
        turn.idempotencyKey = null;
        message.results.clear();
      },
    ],
    ['a message without a result', 'lost', ({ message }) => message.results.clear()],
    [
      'another result than the one told',
      'lost',
      ({ turn }) => {
        turn.result = { ...RESULT, is_error: true };
      },
    ],
    [
      'a turn that is open at the end',
      'lost',
      ({ turn, session }) => {
        turn.endedAt = null;
        session.events.pop();
      },
    ],
    ['a turn without its end in the log', 'lost', ({ session }) => session.events.pop()],
    ['a call with a result that did not run', 'lost', ({ session }) => session.effects.pop()],
    ['a conversation without a completed message', 'lost', ({ session }) => session.transcript.pop()],
    ['an event that was shown and is not there', 'lost', ({ session }) => session.events.pop()],
    [
      'an event that was shown as another',
      'lost',
      ({ reader }) => {
        const [first] = reader.connections[0] ?? [];
        if (first) first.event = { ...first.event, data: { other: true } } as unknown as SessionEvent;
      },
    ],
    ['a call that ran twice', 'twice', ({ session }) => session.effects.push('m1x1')],
    ['a call that ran with and without its edit', 'twice', ({ session }) => session.effects.push('m1x1+')],
    [
      'a call that ran although it was denied',
      'twice',
      ({ request, journal }) => {
        request.state = 'denied';
        journal.answers.set('request', { sessionId: ID, allowed: false, edited: false, acknowledged: true });
      },
    ],
    [
      'a message with two turns',
      'twice',
      ({ session, turn }) => session.turns.push({ ...turn, id: 'second' }),
    ],
    [
      'a turn that started twice',
      'twice',
      ({ session }) => {
        const [, started] = session.events;
        if (started) session.events.push({ ...started, seq: 8, cursor: 8 });
      },
    ],
    [
      'a turn that began while another ran',
      'twice',
      ({ session }) => {
        const [, started] = session.events;
        if (started) session.events.splice(2, 0, { ...started, turnId: 'other' });
      },
    ],
    [
      'a message that the agent got twice',
      'twice',
      ({ session }) =>
        session.transcript.push({
          type: 'attachment',
          uuid: 'b',
          attachment: { type: 'queued_command', prompt: 'please m1x1' },
        }),
    ],
    [
      'a message that agents of two nodes got under one id',
      'twice',
      ({ session }) => session.transcript.push({ ...PROMPT, timestamp: 'later' }),
    ],
    ['a gap in the log', 'gaps', ({ session }) => session.events.splice(3, 1)],
    ['a gap that a reader saw', 'gaps', ({ reader }) => reader.connections[1]?.shift()],
    ['a reader that misses the end', 'gaps', ({ reader }) => reader.connections[1]?.pop()],
    [
      'a control event that the stream of all sessions misses',
      'gaps',
      ({ journal, reader }) =>
        journal.readers.push({
          ...reader,
          sessionId: undefined,
          connections: [reader.connections.flat().toSpliced(4, 1)],
        }),
    ],
    [
      'an event that came again on the next connection',
      'duplicates',
      ({ reader }) => {
        const last = reader.connections[0]?.at(-1);
        if (last) reader.connections[1]?.unshift(last);
      },
    ],
    [
      'a durable request that ended without an answer',
      'approvals',
      ({ request, journal }) => {
        Object.assign(request, { state: 'expired', reason: 'server_restarted' });
        journal.answers.clear();
      },
    ],
    [
      'an answer that was accepted and not kept',
      'approvals',
      ({ request }) => {
        request.durable = false;
        Object.assign(request, { state: 'expired', reason: 'server_restarted' });
      },
    ],
    [
      'an answer that was turned round',
      'approvals',
      ({ request }) => {
        request.state = 'denied';
      },
    ],
    ['an answer that nobody gave', 'approvals', ({ journal }) => journal.answers.clear()],
    ['a request that is not there', 'approvals', ({ session }) => session.permissions.pop()],
    [
      'a request that waits at the end',
      'approvals',
      ({ request, journal }) => {
        Object.assign(request, { state: 'pending', reason: null });
        journal.answers.clear();
      },
    ],
    [
      'a request that was resolved twice',
      'approvals',
      ({ session }) => {
        const resolved = session.events[4];
        if (resolved) session.events.splice(4, 0, resolved);
      },
    ],
    ['an answer outside the contract', 'undocumented', ({ journal }) => journal.undocumented.push('418')],
  ])('%s', (_, name, breakIt) => {
    expect(found(breakIt)).toContain(name);
  });

  test('nothing in what is still open before the end', () => {
    const open = ({ turn, session, message, reader }: World): void => {
      Object.assign(turn, { state: 'running', endedAt: null, result: null });
      session.events.pop();
      reader.connections[1]?.pop();
      message.results.clear();
    };
    expect(found(open, false)).toEqual([]);
    expect(found(open, true)).toEqual(['lost']);
  });
});

test('an HTTP answer is compared with the contract: its body, and the code and status of a problem', () => {
  const problem = {
    type: 'about:blank',
    title: '',
    status: 503,
    detail: '',
    code: 'storage_failed',
    instance: '/',
  };
  expect(undocumented('listPermissions', 503, problem)).toBeUndefined();
  expect(undocumented('listPermissions', 200, { anything: 1 })).toContain('listPermissions 200');
  expect(undocumented('listPermissions', 500, problem)).toContain('500');
  expect(undocumented('listPermissions', 409, { ...problem, status: 409, code: 'session_busy' })).toContain(
    '409',
  );
  expect(undocumented('listPermissions', 503, 'Bad gateway')).toContain('503');
});
