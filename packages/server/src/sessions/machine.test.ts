import { describe, expect, test } from 'vitest';
import { endings, NOTHING, decidedSession as session } from '../../test/support/decided.ts';
import { sampleSession } from '../../test/support/samples.ts';
import type { Effect } from './machine/commands.ts';
import { initialState } from './machine/state.ts';
import { decide, isDue } from './machine.ts';

describe('a decision', () => {
  test('changes neither the state nor the command that it is given', () => {
    const state = initialState(sampleSession(), 'default');
    const before = structuredClone(state);
    const command = { kind: 'set-model', model: 'other', at: '2026-01-01T00:00:00.000Z' } as const;
    const [first, second] = [decide(state, command), decide(state, command)];
    expect(state).toEqual(before);
    expect(first).toEqual(second);
    expect(first.state.record.model).toBe('other');
  });
});

describe('turns', () => {
  test('a message begins at once when nothing runs, and waits in order when something does', () => {
    const { send, state } = session();
    expect(send('first').does).toEqual(['turn-accepted', 'start-turn']);
    expect(send('second').does).toEqual(['turn-accepted']);
    send('third');
    expect(state().current?.turn.id).toBe('first');
    expect(state().queue.map(({ id }) => id)).toEqual(['second', 'third']);
  });

  test('the end of another turn closes nothing; its own end begins the next one in the same commit', () => {
    const { run, send, end, state } = session();
    run('first');
    send('second');
    expect(endings(end('earlier').effects)).toEqual([]);
    const { effects, events } = end('first');
    expect(endings(effects)).toEqual([['first', 'completed']]);
    expect(events).toEqual(['agent.message', 'turn.completed', 'turn.started']);
    expect(state().current).toMatchObject({ turn: { id: 'second' }, phase: 'starting' });
  });

  test('a message that is sent to interrupt goes first and asks for room', () => {
    const { run, send, state } = session();
    run('first');
    send('second');
    expect(send('urgent', { whenBusy: 'interrupt' }).does).toEqual(['turn-accepted', 'make-way']);
    expect(state().queue.map(({ id }) => id)).toEqual(['urgent', 'second']);
  });

  test('a stop that comes too late changes nothing, one that comes in time is the reason', () => {
    const late = session();
    late.run('turn');
    late.after({ kind: 'mark-stopped', turnIds: ['turn'] });
    expect(endings(late.end('turn').effects)).toEqual([['turn', 'completed']]);
    const timely = session();
    timely.run('turn');
    timely.after({ kind: 'mark-stopped', turnIds: ['turn'] });
    expect(endings(timely.end('turn', { code: 'api_error', message: 'cut' }).effects)).toEqual([
      ['turn', 'interrupted'],
    ]);
  });

  test('one that was told to stop is not sent when its process comes', () => {
    const { send, after } = session();
    send('turn');
    after({ kind: 'mark-stopped', turnIds: ['turn'] });
    expect(after({ kind: 'turn-ready', turnId: 'turn', process: 1 }).does).toEqual([]);
  });

  test('a message is not handed over any more when the same commit ended its turn', () => {
    const { send, after, state } = session();
    send('turn');
    const { effects } = after({ kind: 'turn-ready', turnId: 'turn', process: 1 });
    const [handOver] = effects as [Effect];
    expect(isDue(state(), handOver)).toBe(true);
    after({ kind: 'end-turns', turnIds: ['turn'], cut: undefined });
    expect(isDue(state(), handOver)).toBe(false);
  });

  test('the death of the process ends what it had, and not what still waits for a process', () => {
    const cut = { spent: [], isBooked: true };
    const dead = { kind: 'process-ended', process: 1, how: 'SIGKILL', lastWords: '', cut } as const;
    const had = session();
    had.run('turn');
    expect(endings(had.after(dead).effects)).toEqual([['turn', 'failed']]);
    const waits = session();
    waits.send('turn');
    expect(endings(waits.after(dead).effects)).toEqual([]);
    expect(waits.state().current?.phase).toBe('starting');
  });
});

describe('permissions', () => {
  test('leave pending once: the first answer counts, everything later changes nothing', () => {
    const { run, ask, after, state } = session();
    run('turn');
    expect(ask('request').events).toEqual(['permission.requested', 'session.state']);
    expect(state().shown).toBe('waiting');
    const answer = { request_id: 'request', allowed: true };
    const give = { kind: 'answer-permission', answer, by: { kind: 'local' } } as const;
    expect(after(give).does).toEqual(['answer-permission']);
    expect(after(give)).toMatchObject({ changes: [], effects: [] });
    const late = { kind: 'permission-unanswered', requestId: 'request', reason: 'timeout' } as const;
    expect(after(late)).toMatchObject({ changes: [], effects: [] });
  });

  test('a denial with interrupt is the reason for the end of its turn', () => {
    const { run, ask, after, end } = session();
    run('turn');
    ask('request');
    const answer = { request_id: 'request', allowed: false, interrupt: true, message: 'never' };
    after({ kind: 'answer-permission', answer, by: { kind: 'local' } });
    const { effects } = end('turn', { code: 'aborted', message: 'aborted' });
    expect(effects).toContainEqual(
      expect.objectContaining({
        kind: 'turn-ended',
        turn: expect.objectContaining({
          result: expect.objectContaining({
            error: { code: 'denied', message: 'Bash was denied, and the turn ended with it: never' },
          }),
        }),
      }),
    );
  });
});

describe('work in the background', () => {
  test('keeps a turn unsettled until the agent has reported, and its report becomes part of the answer', () => {
    const { run, end, listTasks, notify, after, state } = session();
    run('turn', { waitFor: 'background' });
    listTasks('one');
    expect(end('turn').does).not.toContain('turn-settled');
    expect(state().shown).toBe('background');
    notify();
    expect(listTasks().does).not.toContain('turn-settled');
    after({ kind: 'own-turn-began', turnId: 'report' });
    const content = [{ type: 'text', text: 'found it' }];
    const said = { type: 'assistant', parent_tool_use_id: null, message: { content } };
    after({ kind: 'message', message: said, end: undefined });
    const { effects, does } = end(null);
    expect(does).toEqual(expect.arrayContaining(['turn-ended', 'turn-settled']));
    const settled = effects.find((effect) => effect.kind === 'turn-settled');
    expect(settled?.turn).toMatchObject({ id: 'turn', result: { messages: [{ content: 'found it' }] } });
    expect(state()).toMatchObject({ unsettled: [], shown: 'background' });
    after({ kind: 'no-report' });
    expect(state().shown).toBe('idle');
  });
});

describe('the process of an idle session', () => {
  test('may be let go when nothing uses it, and not while something does', () => {
    const { after, run, end, state } = session();
    expect(after({ kind: 'process-started', process: 1 }).does).toContain('await-sleep');
    run('one');
    expect(after({ kind: 'sleep' }).does).toEqual([]);
    expect(end('one').does).toContain('await-sleep');
    expect(after({ kind: 'sleep' }).does).toEqual(['end-idle-process']);
    after({ kind: 'process-ended', process: 1, how: 'code 0', lastWords: '', cut: NOTHING });
    expect(state().shown).toBe('asleep');
    expect(after({ kind: 'sleep' }).does).toEqual([]);
  });

  test('a message that shares the commit of its end gets another one', () => {
    const { after, send } = session();
    after({ kind: 'process-started', process: 1 });
    expect([...after({ kind: 'sleep' }).does, ...send('one').does]).toEqual([
      'end-idle-process',
      'turn-accepted',
      'start-turn',
    ]);
    const ended = after({ kind: 'process-ended', process: 1, how: 'code 0', lastWords: '', cut: NOTHING });
    expect(ended.events).not.toContain('turn.failed');
    after({ kind: 'process-started', process: 2 });
    expect(after({ kind: 'turn-ready', turnId: 'one', process: 2 }).does).toEqual(['send-to-agent']);
  });
});

describe('a turn that waits for a process', () => {
  test('is told its position, and when it has one, before the agent gets the message', () => {
    const { after, send } = session();
    send('one');
    expect(after({ kind: 'turn-waiting', turnId: 'one', position: 2 }).events).toEqual(['turn.waiting']);
    after({ kind: 'process-started', process: 1 });
    const ready = after({ kind: 'turn-ready', turnId: 'one', process: 1 });
    expect([ready.events, ready.does]).toEqual([['turn.waiting'], ['send-to-agent']]);
    expect(after({ kind: 'turn-waiting', turnId: 'one', position: 1 }).events).toEqual([]);
  });

  test('is queued again by a shutdown, and begins without a second start in the log', () => {
    const { after, send, state } = session();
    send('one');
    send('two');
    after({ kind: 'turn-waiting', turnId: 'one', position: 1 });
    expect(after({ kind: 'shut-down', cut: undefined }).events).toEqual(['session.state']);
    expect(state().queue.map(({ id }) => id)).toEqual(['one', 'two']);
    const next = after({ kind: 'resume-queue' });
    expect([next.events, next.does]).toEqual([['session.state'], ['start-turn']]);
  });
});

describe('ends of a session', () => {
  test('a close settles everything that is open, in one commit', () => {
    const { run, send, ask, after, state } = session();
    run('first');
    send('second');
    ask('request');
    const { effects, events, does } = after({ kind: 'close', cut: undefined });
    expect(endings(effects)).toEqual([
      ['first', 'interrupted'],
      ['second', 'interrupted'],
    ]);
    expect(does).toEqual(['answer-permission', 'turn-ended', 'turn-ended', 'end-process']);
    expect(events.slice(-2)).toEqual(['session.state', 'session.closed']);
    expect(state()).toMatchObject({ shown: 'closed', pending: [], queue: [] });
    expect(() => send('late')).toThrow('is closed');
  });

  test('a close that could not be written lets the queue go on', () => {
    const { run, send, end, after, state } = session();
    run('first');
    send('second');
    after({ kind: 'begin-close' });
    expect(() => send('third')).toThrow('is closed');
    end('first');
    expect(state().current).toBeUndefined();
    expect(after({ kind: 'give-up-close' }).does).toEqual(['start-turn']);
    expect(state().current?.turn.id).toBe('second');
  });

  test('a shutdown interrupts what runs and leaves the queue for the next server', () => {
    const { run, send, after, state } = session();
    run('first');
    send('second');
    after({ kind: 'drain' });
    expect(endings(after({ kind: 'shut-down', cut: undefined }).effects)).toEqual([['first', 'interrupted']]);
    expect(state().queue.map(({ id }) => id)).toEqual(['second']);
    expect(() => send('third')).toThrow('shutting down');
  });

  test('a shutdown begins what the agent has already in its own queue: it does that by itself', () => {
    const { run, send, end, after, state } = session();
    run('first');
    send('given', { whenBusy: 'steer' });
    send('queued');
    after({ kind: 'drain' });
    expect(end('first').does).not.toContain('send-to-agent');
    expect(state().current?.turn.id).toBe('given');
    end('given');
    expect(state().current).toBeUndefined();
    expect(state().queue.map(({ id }) => id)).toEqual(['queued']);
  });

  test('the next server takes over the queue: what was sent to interrupt first, the newest before all', () => {
    const { send, run, state } = session();
    run('running');
    for (const id of ['a', 'b']) send(id);
    for (const id of ['u1', 'u2']) send(id, { whenBusy: 'interrupt' });
    const turns = ['a', 'b', 'u1', 'u2'].map((id) => state().queue.find((turn) => turn.id === id));
    const next = session();
    next.after({ kind: 'take-over', turns: turns.filter((turn) => turn !== undefined) });
    expect(next.state().queue.map(({ id }) => id)).toEqual(['u2', 'u1', 'a', 'b']);
    expect(next.after({ kind: 'resume-queue' }).does).toEqual(['start-turn']);
  });
});
