import { setTimeout as sleep } from 'node:timers/promises';
import type { Change, WriteResult } from '../store/store.ts';

/** The outcome of a command: the next state, the changes to store, and the effects that follow. */
export interface Decision<S, E> {
  state: S;
  changes: readonly Change[];
  effects: readonly E[];
}

/** `ok: false`: the store refused a change because its condition did not hold; nothing was stored. */
export type Outcome<E> = { ok: true; effects: readonly E[] } | { ok: false };

/**
 * The one way to change a session: decide, commit, adopt, perform. Commands are decided in order; a new state is
 * adopted, and its effects performed, only after its changes are committed, so memory never runs ahead of the store.
 * Commands that arrive during a commit are decided together after it and share the next one.
 */
export interface Actor<S, C, E> {
  /** The committed state. */
  state(): S;
  /**
   * For a caller that waits for the outcome.
   * @throws the error of `decide` or of the store; nothing was stored
   */
  call(command: C): Promise<Outcome<E>>;
  /**
   * For something that has already happened: kept in order until the store works again.
   * Settles when it is written.
   */
  fact(command: C): Promise<void>;
  /** For an intention, which writes nothing: goes ahead of waiting commands, even while the store fails. */
  intend(command: C): void;
  /**
   * Runs in order among the commands, without deciding anything. Dropped while the store fails, because live data is worthless
   * by the time it works again; `keeps`: it waits for that.
   */
  inOrder(show: (state: S) => void, how?: { keeps: boolean }): void;
  /** Facts are waiting for a failing store. */
  isStuck(): boolean;
  /** Nothing waits to be decided, written or performed. */
  isIdle(): boolean;
  /** Settles when no command is waiting, or the store fails. */
  settled(): Promise<void>;
  /** Waits until everything is written, then gives up the rest. False: something was given up. */
  writtenWithin(ms: number): Promise<boolean>;
  /**
   * This actor may not write any more. Callers get the error, also later ones, and facts are dropped; what is being
   * written now has no effects.
   */
  abandon(error: unknown): void;
}

export interface ActorDeps<S, C, E> {
  initial: S;
  /** Pure: after a failed write the command is decided again, on the state committed by then. */
  decide(state: S, command: C): Decision<S, E>;
  commit(changes: readonly Change[]): Promise<WriteResult>;
  perform(effect: E): void;
  /** Facts cannot be written: called once, when that begins. */
  onStuck(error: unknown): void;
  onError(error: unknown): void;
}

interface Entry<S, C, E> {
  task: { kind: 'call' | 'fact'; command: C } | { kind: 'show'; show: (state: S) => void; keeps: boolean };
  resolve(outcome: Outcome<E>): void;
  reject(error: unknown): void;
}

/** Commands that share a commit. */
interface Batch<S, C, E> {
  state: S;
  changes: Change[];
  decided: { entry: Entry<S, C, E>; effects: readonly E[] }[];
}

/** First retry after a failed write; the delay then doubles. */
const RETRY_MS = 100;
const MAX_RETRY_MS = 1_000;
/** The most commands that share a commit. */
const BATCH = 200;

export function createActor<S, C, E>(deps: ActorDeps<S, C, E>): Actor<S, C, E> {
  const { decide, commit, perform, onStuck, onError } = deps;
  let state = deps.initial;
  let waiting: Entry<S, C, E>[] = [];
  let intentions: C[] = [];
  let committing = false;
  /** Effects are being performed; commands that they enter wait for the rest of them. */
  let adopting = false;
  /** How many waiting commands were part of a refused write: each gets a commit of its own. */
  let alone = 0;
  let failure: { error: unknown; retryMs: number; timer: NodeJS.Timeout } | undefined;
  let idle: (() => void)[] = [];
  /** The wait for the store is over: failing writes are given up. */
  let givesUp = false;
  let abandoned: { error: unknown } | undefined;

  const isFact = ({ task }: Entry<S, C, E>): boolean => task.kind === 'fact';
  /** Whether it waits for a failing store. */
  const isKept = ({ task }: Entry<S, C, E>): boolean =>
    task.kind === 'fact' || (task.kind === 'show' && task.keeps);

  const safely = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      onError(error);
    }
  };

  const adopt = (batch: Batch<S, C, E>): void => {
    state = batch.state;
    adopting = true;
    for (const { entry, effects } of batch.decided) {
      entry.resolve({ ok: true, effects });
      if (!abandoned) for (const effect of effects) safely(() => perform(effect));
    }
    adopting = false;
  };

  const adoptIntentions = (): void => {
    const taken = intentions;
    intentions = [];
    for (const command of taken) {
      safely(() => {
        const decided = decide(state, command);
        if (decided.changes.length > 0) throw new Error('An intention must not need to be written.');
        state = decided.state;
      });
    }
  };

  const decideBatch = (entries: readonly Entry<S, C, E>[]): Batch<S, C, E> => {
    const batch: Batch<S, C, E> = { state, changes: [], decided: [] };
    for (const entry of entries) {
      if (entry.task.kind === 'show') continue;
      try {
        const { state: next, changes, effects } = decide(batch.state, entry.task.command);
        batch.state = next;
        batch.changes.push(...changes);
        batch.decided.push({ entry, effects });
      } catch (error) {
        entry.reject(error);
      }
    }
    return batch;
  };

  const pump = (): void => {
    if (adopting) return;
    while (!committing && (waiting.length > 0 || intentions.length > 0)) {
      adoptIntentions();
      const [first] = waiting;
      if (!first) break;
      if (first.task.kind === 'show') {
        const { show } = first.task;
        waiting = waiting.slice(1);
        safely(() => show(state));
        continue;
      }
      // A batch is published as one, so it ends at the next thing to show.
      const shown = waiting.findIndex(({ task }) => task.kind === 'show');
      const count = alone > 0 ? 1 : Math.min(BATCH, shown < 0 ? BATCH : shown);
      alone = Math.max(0, alone - 1);
      const entries = waiting.slice(0, count);
      waiting = waiting.slice(count);
      const batch = decideBatch(entries);
      if (batch.changes.length === 0) adopt(batch);
      else void commitBatch(batch);
    }
    if (committing || waiting.length > 0) return;
    failure = undefined;
    tellIdle();
  };

  const commitBatch = async (batch: Batch<S, C, E>): Promise<void> => {
    const entries = batch.decided.map(({ entry }) => entry);
    committing = true;
    try {
      const { ok } = await commit(batch.changes);
      failure = undefined;
      committing = false;
      if (ok) adopt(batch);
      else onRefusal(entries);
    } catch (error) {
      committing = false;
      onFailure(entries, error);
    }
    if (failure) adoptIntentions();
    else pump();
  };

  const onRefusal = (entries: Entry<S, C, E>[]): void => {
    const [only] = entries;
    if (only && entries.length === 1) {
      if (isFact(only)) onError(new Error('The store refused to keep something that has happened.'));
      only.resolve({ ok: false });
    } else {
      // The refusal does not say which of them it was.
      waiting = [...entries, ...waiting];
      alone = entries.length;
    }
  };

  const onFailure = (entries: readonly Entry<S, C, E>[], error: unknown): void => {
    for (const entry of entries) if (!isFact(entry)) entry.reject(abandoned ? abandoned.error : error);
    if (givesUp || abandoned) {
      for (const entry of entries) entry.resolve({ ok: false });
      return;
    }
    waiting = [...entries.filter(isFact), ...waiting];
    if (!waiting.some(isFact)) return;
    if (!failure) onStuck(error);
    const retryMs = Math.min(MAX_RETRY_MS, failure ? failure.retryMs * 2 : RETRY_MS);
    failure = { error, retryMs, timer: setTimeout(pump, retryMs) };
    // No caller should wait behind facts that the store cannot take.
    for (const entry of waiting) if (!isKept(entry)) entry.reject(error);
    waiting = waiting.filter(isKept);
    tellIdle();
  };

  const tellIdle = (): void => {
    const settled = idle;
    idle = [];
    for (const settle of settled) settle();
  };

  const drop = (entry: Entry<S, C, E>): void => {
    if (abandoned && !isFact(entry)) entry.reject(abandoned.error);
    else entry.resolve({ ok: false });
  };

  const enter = (entry: Entry<S, C, E>): void => {
    if (abandoned) {
      drop(entry);
      return;
    }
    if (failure && !isKept(entry)) {
      entry.reject(failure.error);
      return;
    }
    waiting.push(entry);
    if (!failure) pump();
  };

  const dropAll = (): void => {
    clearTimeout(failure?.timer);
    failure = undefined;
    const given = waiting;
    waiting = [];
    for (const entry of given) drop(entry);
  };

  const settled = (): Promise<void> =>
    new Promise<void>((resolve) => {
      if (failure) resolve();
      else {
        idle.push(resolve);
        pump();
      }
    });

  return {
    state: () => state,
    call: (command) =>
      new Promise((resolve, reject) => {
        enter({ task: { kind: 'call', command }, resolve, reject });
      }),
    fact: (command) =>
      new Promise<void>((resolve, reject) => {
        enter({ task: { kind: 'fact', command }, resolve: () => resolve(), reject });
      }),
    intend(command) {
      intentions.push(command);
      if (committing || adopting) return;
      adoptIntentions();
    },
    inOrder(show, { keeps } = { keeps: false }) {
      if (abandoned || (failure && !keeps)) return;
      if (!failure && !committing && waiting.length === 0) show(state);
      else enter({ task: { kind: 'show', show, keeps }, resolve: () => {}, reject: () => {} });
    },
    isStuck: () => failure !== undefined,
    isIdle: () => !failure && !committing && !adopting && waiting.length === 0 && intentions.length === 0,
    settled,
    async writtenWithin(ms) {
      const deadline = Date.now() + ms;
      await settled();
      while (failure && Date.now() < deadline) await sleep(RETRY_MS);
      if (!failure) return true;
      givesUp = true;
      dropAll();
      return false;
    },
    abandon(error) {
      abandoned = { error };
      dropAll();
      tellIdle();
    },
  };
}
