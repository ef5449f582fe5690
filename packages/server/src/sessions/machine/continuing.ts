import type { Spent } from '../../agent/agent.ts';
import { event } from '../../events/log.ts';
import { costOf } from '../usage.ts';
import { assign, type Draft } from './draft.ts';
import type { Current, State } from './state.ts';

/** The agent's own words for a turn that it goes on with, and what it cannot know. */
const CONTINUE =
  'Continue from where you left off. Your process ended during this turn. A tool call without a result may have run already: look at its effects before you repeat it.';

export interface Crash {
  reason: 'agent_died' | 'server_restarted';
  /** What the dead process has used. */
  cut: Spent | undefined;
  /** Id of the prompt with which the turn goes on. */
  continueAs: string | undefined;
}

/**
 * Lets the turn that ran go on in another process, if its session wants that (`on_crash: "resume"`). Once: a turn that
 * is told to end, or has gone on before, ends with its process.
 */
export function continueTurn(draft: Draft, { reason, cut, continueAs }: Crash): void {
  const { current, own, record, closing, draining } = draft.state;
  if (record.options.on_crash !== 'resume' || continueAs === undefined || closing || draining) return;
  if (!current || current.stop || current.phase === 'starting' || current.turn.continuedAs !== null) return;
  const turn = { ...current.turn, continuedAs: continueAs };
  // A turn of the agent's own that ends here pays for what the process has used.
  const costUsd = own ? 0 : costOf(cut?.spent ?? []);
  const parkedCostUsd = current.parkedCostUsd + costUsd;
  assign(draft, { current: { ...current, turn, phase: 'starting', waits: false, parkedCostUsd } });
  draft.changes.push(
    {
      kind: 'update-turn',
      sessionId: turn.sessionId,
      id: turn.id,
      from: ['running'],
      set: { continuedAs: continueAs },
    },
    event(record.id, 'turn.continued', { reason, cost_usd: costUsd }, turn.id, draft.at),
  );
  draft.effects.push({ kind: 'start-turn', turn });
}

/**
 * What the agent gets for a turn. One that it had not begun (by the log, or by its transcript, which may know of a call
 * that the log does not) gets its own message again, under a new id.
 */
export const inputOf = (
  { turn, messages }: Current,
  begun: boolean,
): { input: Current['turn']['input']; as: string } => ({
  input: turn.continuedAs !== null && (begun || messages.length > 0) ? CONTINUE : turn.input,
  as: turn.continuedAs ?? turn.id,
});

/** Whether the agent means this turn. */
export const isNamed = ({ turn }: Current, id: string): boolean => id === (turn.continuedAs ?? turn.id);

/** The turn that waits for a process to go on in, after a crash. */
export const continuedTurn = ({ current, parked }: State): string | undefined =>
  !parked && current?.phase === 'starting' && current.turn.continuedAs !== null ? current.turn.id : undefined;
