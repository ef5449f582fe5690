import { AppError, storageFailed } from '../errors.ts';
import type { Log } from '../events/log.ts';
import type { SessionRecord } from '../store/store.ts';
import { createActor, type Outcome } from './actor.ts';
import type { Command, CommandBody, Effect } from './machine/commands.ts';
import { initialState, type State } from './machine/state.ts';
import { decide, isDue } from './machine.ts';

/** The actor of a session: stamps each command with its time, and tells a failing store from a refusal. */
export interface SessionActor {
  state(): State;
  /** @throws AppError when the command is refused, or 503 when the store fails: nothing was kept */
  call(command: CommandBody): Promise<Outcome<Effect>>;
  /** For something that happened, without waiting until it is written; failures are logged. */
  fact(command: CommandBody, what: string): void;
  /** Settles when it is written. */
  written(command: CommandBody): Promise<void>;
  intend(command: CommandBody): void;
  /** As `Actor.inOrder`. */
  inOrder(show: (state: State) => void, how?: { keeps: boolean }): void;
  isStuck(): boolean;
  /** Nothing waits to be decided or written. */
  isIdle(): boolean;
  settled(): Promise<void>;
  writtenWithin(ms: number): Promise<boolean>;
  /** This session is another node's now: callers get the error, and nothing more is written. */
  abandon(error: AppError): void;
  /** @throws AppError when it was abandoned */
  checkOwned(): void;
}

export interface SessionActorDeps {
  record: SessionRecord;
  defaultModel: string | undefined;
  log: Log;
  perform(effect: Effect): void;
  onError(error: unknown, what: string): void;
}

export function createSessionActor(deps: SessionActorDeps): SessionActor {
  const { record, defaultModel, log, perform, onError } = deps;
  const { id } = record;
  const actor = createActor<State, Command, Effect>({
    initial: initialState(record, defaultModel),
    decide,
    commit: (changes) => log.write(id, changes),
    perform(effect) {
      if (isDue(actor.state(), effect)) perform(effect);
    },
    onStuck: (error) => onError(error, `store what happened in session ${id}; it is tried again`),
    onError: (error) => onError(error, 'follow up on a decision'),
  });
  let abandoned: AppError | undefined;
  const stamp = (command: CommandBody): Command => ({ ...command, at: new Date().toISOString() });

  return {
    state: actor.state,
    async call(command) {
      try {
        return await actor.call(stamp(command));
      } catch (error) {
        throw error instanceof AppError ? error : storageFailed(error);
      }
    },
    fact(command, what) {
      actor.fact(stamp(command)).catch((error: unknown) => onError(error, what));
    },
    written: (command) => actor.fact(stamp(command)),
    intend: (command) => actor.intend(stamp(command)),
    inOrder: actor.inOrder,
    isStuck: actor.isStuck,
    isIdle: actor.isIdle,
    settled: actor.settled,
    writtenWithin: actor.writtenWithin,
    abandon(error) {
      abandoned = error;
      actor.abandon(error);
    },
    checkOwned() {
      if (abandoned) throw abandoned;
    },
  };
}
