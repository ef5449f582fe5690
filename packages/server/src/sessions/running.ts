import type { TurnError } from 'claude-agent-protocol';
import type { AgentProcess } from '../agent/agent.ts';
import { AppError, messageOf } from '../errors.ts';
import type { Store, TurnRecord } from '../store/store.ts';
import type { Interrupted } from './answer.ts';
import { checkBudget } from './budget.ts';
import type { Ledger } from './ledger.ts';
import { type Effects, endCurrent, type SessionDraft, type State, set } from './state.ts';
import type { WarmAgent } from './warm.ts';

export interface RunningDeps {
  store: Store;
  ledger: Ledger<State>;
  warm: WarmAgent;
  effects: Effects;
  stops: ReadonlyMap<string, Interrupted>;
  next(draft: SessionDraft): void;
  background(work: Promise<unknown>, what: string): void;
  now(): string;
}

/** Hands the message of a turn that began to the agent; one that cannot start ends the turn. */
export function createRunning(deps: RunningDeps): (turn: TurnRecord) => Promise<void> {
  const { store, ledger, warm, effects, stops, next, background, now } = deps;

  return async (turn: TurnRecord): Promise<void> => {
    const isMine = ({ current }: State): boolean => current?.turn.id === turn.id && !stops.has(turn.id);
    const fail = (error: TurnError): Promise<void> =>
      ledger.fact((draft) => {
        if (!isMine(draft.state)) return;
        endCurrent(draft, effects, { error, unsent: true }, now());
        next(draft);
      });
    let process: AgentProcess;
    try {
      process = await warm.wake();
      await checkBudget(store, ledger.state().record);
    } catch (error) {
      const code = error instanceof AppError ? error.code : 'agent_start_failed';
      await fail({ code, message: messageOf(error) });
      return;
    }
    await ledger.fact((draft) => {
      const { current } = draft.state;
      if (!current || !isMine(draft.state)) return;
      set(draft, { current: { ...current, sent: true } });
      draft.after(() => {
        if (warm.live() === process) process.send(turn.id, turn.input);
        else
          background(
            fail({ code: 'agent_died', message: 'The agent ended before it had the message.' }),
            'end a turn',
          );
      });
    });
  };
}
