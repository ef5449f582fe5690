import { setTimeout as sleep } from 'node:timers/promises';
import type { TurnError } from 'claude-agent-protocol';
import type { LimitKeeper } from '../access/limits.ts';
import type { Agent } from '../agent/agent.ts';
import { AppError, messageOf } from '../errors.ts';
import type { Store, TurnRecord } from '../store/store.ts';
import { checkBudget } from './budget.ts';
import type { CommandBody } from './machine/commands.ts';
import { continuedTurn } from './machine/continuing.ts';
import { parkableRequest } from './machine/parking.ts';
import { canYield, type Parked, type State } from './machine/state.ts';
import type { ProcessHandle } from './process.ts';

/** A process asks again within 0.2 s of its start; one that takes this long has lost the call. */
const ASKS_AGAIN_WITHIN_MS = 30_000;
const PARKED_CALL_LOST =
  'The agent did not ask again for the call that waited for a permission, so the turn could not go on. Send the message again.';

export interface RunTurnDeps {
  store: Store;
  limits: Pick<LimitKeeper, 'requireDay'>;
  agent: Pick<Agent, 'taken'>;
  state(): State;
  process: ProcessHandle;
  /** Starts of other sessions wait for a process. */
  isCrowded(): boolean;
  fact(command: CommandBody, what: string): void;
}

/** Gets a process for a turn that began, and reports `turn-ready`; also, or instead, `turn-not-started`. */
export async function runTurn(
  { store, limits, agent, state, process, isCrowded, fact }: RunTurnDeps,
  turn: TurnRecord,
): Promise<void> {
  const turnId = turn.id;
  const isBegun = async (conversationId: string): Promise<boolean> =>
    (await agent.taken(conversationId, [turnId])).length > 0;
  try {
    // One turn each: a session with a long queue lets those that wait go first, and waits behind them.
    if (isCrowded() && canYield(state()) && !process.isInUse()) void process.end();
    const { number, ready } = await process.reach({ waits: true });
    // It is awaited only later.
    ready.catch(() => {});
    await checkBudget(store, state().record);
    await limits.requireDay(state().record);
    const begun = continuedTurn(state()) === turnId && (await isBegun(state().record.conversationId));
    fact({ kind: 'turn-ready', turnId, process: number, begun }, 'send a message');
    await ready;
  } catch (error) {
    fact({ kind: 'turn-not-started', turnId, error: reasonOf(error) }, 'end a turn');
  }
}

/** Starts a process for a session without a turn. A spare answers already, so it is not waited for. */
export async function startAgent(
  process: ProcessHandle,
  onError: (error: unknown, what: string) => void,
): Promise<void> {
  const { ready, isSpare } = await process.reach({ waits: false });
  if (isSpare) ready.catch((error: unknown) => onError(error, 'start an agent'));
  else await ready;
}

/** Lets the process of a turn go that waits for a permission, if that is still all that waits. */
export async function parkTurn({ state, process, fact }: RunTurnDeps, requestId: string): Promise<void> {
  if (parkableRequest(state())?.id !== requestId) return;
  const cut = await process.live()?.cut();
  fact({ kind: 'park', requestId, cut }, 'park a turn');
}

/** Starts a process that asks again for the call that a turn waits for. */
export async function resumeParked({ state, process, fact }: RunTurnDeps, parked: Parked): Promise<void> {
  // Not so once the call was asked for again: the turn may park for its next one within the time that this one has.
  const isWaiting = (): boolean => state().parked === parked;
  const giveUp = (error: TurnError): void => {
    // Another process may be at it, after one that died.
    if (!isWaiting() || state().draining) return;
    fact({ kind: 'parked-lost', requestId: parked.requestId, error }, 'end a turn that cannot go on');
  };
  try {
    await process.wake({ waits: true });
  } catch (error) {
    giveUp(reasonOf(error));
    return;
  }
  await sleep(ASKS_AGAIN_WITHIN_MS, undefined, { ref: false });
  if (!isWaiting() || state().draining) return;
  giveUp({ code: 'parked_call_lost', message: PARKED_CALL_LOST });
  await process.end();
}

const reasonOf = (error: unknown): TurnError => ({
  code: error instanceof AppError ? error.code : 'agent_start_failed',
  message: messageOf(error),
});
