import { AppError, messageOf } from '../errors.ts';
import type { Store, TurnRecord } from '../store/store.ts';
import { checkBudget } from './budget.ts';
import type { CommandBody } from './machine/commands.ts';
import type { State } from './machine/state.ts';
import type { ProcessHandle } from './process.ts';

export interface RunTurnDeps {
  store: Store;
  state(): State;
  process: ProcessHandle;
  fact(command: CommandBody, what: string): void;
}

/** Gets a process for a turn that began, and reports `turn-ready` or `turn-not-started`. */
export async function runTurn({ store, state, process, fact }: RunTurnDeps, turn: TurnRecord): Promise<void> {
  const turnId = turn.id;
  try {
    const { number } = await process.wake();
    await checkBudget(store, state().record);
    fact({ kind: 'turn-ready', turnId, process: number }, 'send a message');
  } catch (error) {
    const code = error instanceof AppError ? error.code : 'agent_start_failed';
    fact({ kind: 'turn-not-started', turnId, error: { code, message: messageOf(error) } }, 'end a turn');
  }
}
