import { randomUUID } from 'node:crypto';
import type { Spent, TurnEnd } from '../../src/agent/agent.ts';
import type { Command, CommandBody, Effect } from '../../src/sessions/machine/commands.ts';
import { initialState, type State } from '../../src/sessions/machine/state.ts';
import { decide } from '../../src/sessions/machine.ts';
import { sampleSession } from './samples.ts';

/** Decides one command after the other, as if each were committed. */
export function decidedSession(record = sampleSession()) {
  let state: State = initialState(record, 'default');
  let ticks = 0;
  const at = (): string => new Date(Date.UTC(2026, 0, 1) + ++ticks * 1000).toISOString();
  const after = (body: CommandBody) => {
    const decided = decide(state, { ...body, at: at() } as Command);
    state = decided.state;
    const events = decided.changes.flatMap((change) => (change.kind === 'event' ? [change.event.type] : []));
    return { ...decided, events, does: decided.effects.map(({ kind }) => kind) };
  };
  const send = (turnId: string, more: Partial<Extract<CommandBody, { kind: 'send' }>> = {}) =>
    after({
      kind: 'send',
      turnId,
      input: turnId,
      inputHash: '',
      idempotencyKey: null,
      waitFor: 'turn',
      whenBusy: 'queue',
      ...more,
    });
  /** Sends a message and lets the agent take it. */
  const run = (turnId: string, more = {}) => {
    send(turnId, more);
    after({ kind: 'process-started', process: 1 });
    after({ kind: 'turn-ready', turnId, process: 1 });
    after({ kind: 'turn-taken', turnId });
  };
  const end = (turnId: string | null, error: TurnEnd['error'] = null) =>
    after({
      kind: 'message',
      message: { type: 'result' },
      end: {
        turnId,
        ownInitiative: turnId === null,
        isError: error !== null,
        error,
        stopReason: 'end_turn',
        numTurns: 1,
        durationMs: 1,
        usage: {},
        spent: [],
        isBooked: true,
      },
    });
  const ask = (requestId: string) =>
    after({
      kind: 'permission-asked',
      requestId,
      timeoutSeconds: 60,
      question: {
        kind: 'tool',
        toolName: 'Bash',
        toolInput: { command: 'ls' },
        toolUseId: randomUUID(),
        agentId: null,
        suggestions: [],
        title: null,
        description: null,
        decisionReason: null,
        blockedPath: null,
        defaultToNo: false,
        isAlone: true,
      },
    });
  const notify = () =>
    after({
      kind: 'message',
      message: { type: 'system', subtype: 'task_notification', task_id: 'one', status: 'completed' },
      end: undefined,
    });
  const listTasks = (...ids: string[]) =>
    after({
      kind: 'message',
      message: {
        type: 'system',
        subtype: 'background_tasks_changed',
        tasks: ids.map((task_id) => ({ task_id, task_type: 'local_agent', description: task_id })),
      },
      end: undefined,
    });
  return { state: () => state, after, send, run, end, ask, notify, listTasks };
}

export const NOTHING: Spent = { spent: [], isBooked: true };

/** The turns that end, and how. */
export const endings = (effects: readonly Effect[]) =>
  effects.flatMap((effect) => (effect.kind === 'turn-ended' ? [[effect.turn.id, effect.turn.state]] : []));
