import { describe, expect, test } from 'vitest';
import { endings, NOTHING, decidedSession as session } from '../../test/support/decided.ts';
import { AT, sampleSession } from '../../test/support/samples.ts';
import type { CommandBody } from './machine/commands.ts';
import { decide } from './machine.ts';

describe('a process that dies', () => {
  const dead = { kind: 'process-ended', process: 1, how: 'SIGKILL', lastWords: '', cut: NOTHING } as const;
  const lost = (code: string): CommandBody => ({
    kind: 'parked-lost',
    requestId: 'request',
    error: { code, message: '' },
  });
  const allow: CommandBody = {
    kind: 'answer-permission',
    answer: { request_id: 'request', allowed: true },
    by: { kind: 'local' },
  };
  const parked = () => {
    const world = session();
    world.run('turn');
    world.ask('request');
    expect(world.after(dead).events).toContain('turn.parked');
    return world;
  };

  test('just before its turn is parked for its long wait parks it once', () => {
    const { after, state } = parked();
    expect(after({ kind: 'park', requestId: 'request', cut: undefined })).toMatchObject({
      events: [],
      does: [],
    });
    expect(state().parked?.requestId).toBe('request');
  });

  test('while it starts for an answered permission is followed by another, three in all', () => {
    const { after, state } = parked();
    expect(after(allow).does).toContain('resume-parked');
    expect(after(lost('agent_start_failed')).does).toEqual(['resume-parked']);
    expect(after(lost('agent_start_failed')).does).toEqual(['resume-parked']);
    const { effects } = after(lost('agent_start_failed'));
    expect(endings(effects)).toEqual([['turn', 'failed']]);
    // Not `agent_start_failed`, after which the same request may run again: the turn had begun.
    expect(effects.find((effect) => effect.kind === 'turn-ended')?.turn.result?.error?.code).toBe(
      'agent_died',
    );
    expect(state().parked).toBeUndefined();
  });

  test('is not followed by another when the call was not asked for again, or its folder is gone', () => {
    for (const code of ['parked_call_lost', 'cwd_gone']) {
      const { after } = parked();
      after(allow);
      expect(endings(after(lost(code)).effects)).toEqual([['turn', 'failed']]);
    }
  });

  test('with a message that it had taken and could not tell of: that is part of the turn and not sent again', () => {
    const { after, run, send, state } = session();
    run('turn');
    send('taken', { whenBusy: 'steer' });
    send('left', { whenBusy: 'steer' });
    const { events, effects } = after({ ...dead, taken: ['taken'] });
    expect(events).toEqual(expect.arrayContaining(['turn.steered', 'turn.failed', 'turn.queued']));
    expect(effects.find((effect) => effect.kind === 'message-steered')?.message).toMatchObject({
      id: 'taken',
      state: 'steered',
      steers: 'turn',
    });
    expect(state().current?.turn.id).toBe('left');
  });

  test('in a turn that goes on: the agent gets the message again only if it never had it', () => {
    for (const begun of [true, false]) {
      const { after, send, state } = session(sampleSession({ options: { on_crash: 'resume' } as never }));
      send('turn', { idempotencyKey: 'key' });
      after({ kind: 'process-started', process: 1 });
      after({ kind: 'turn-ready', turnId: 'turn', process: 1 });
      after({ ...dead, continueAs: 'again' });
      const failed = { code: 'agent_start_failed', message: '' };
      const other = decide(state(), { kind: 'turn-not-started', turnId: 'turn', error: failed, at: AT });
      expect(other.effects.find((effect) => effect.kind === 'turn-ended')?.turn).toMatchObject({
        idempotencyKey: 'key',
        result: { error: { code: 'agent_died' } },
      });
      after({ kind: 'process-started', process: 2 });
      const { effects } = after({ kind: 'turn-ready', turnId: 'turn', process: 2, begun });
      const [sent] = effects.filter((effect) => effect.kind === 'send-to-agent');
      expect(sent?.as).toBe('again');
      expect(sent?.input === 'turn').toBe(!begun);
    }
  });
});
