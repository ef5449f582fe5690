import { setTimeout as sleep } from 'node:timers/promises';
import type { Change, WriteResult } from '../store/store.ts';

/** A decision in the making: the state as it will be, what must be written for it, and what follows. */
export interface Draft<S> {
  /** Replaced, never changed in place: a draft that cannot be written is thrown away. */
  state: S;
  write(...changes: Change[]): void;
  /** Runs when the decision is committed and adopted; never when it is not. */
  after(effect: () => void): void;
}

/** May be asked again when it could not be written: it must read nothing but the draft, and change nothing else. */
export type Decide<S, T = void> = (draft: Draft<S>) => T;

/** `ok: false`: the condition of one of its changes did not hold (it was done before); nothing was kept. */
export type Called<T> = { ok: true; value: T } | { ok: false };

/**
 * The one way to change a session: decide, commit, adopt. Decisions are taken one after the other on a draft; the
 * draft becomes the state only when the store has it, so that memory never runs ahead of the store.
 * What arrives while a commit is under way is decided together afterwards, in one further commit.
 */
export interface Ledger<S> {
  /** What is committed. */
  state(): S;
  /** For somebody who waits for the outcome. @throws what `decide` throws, or the store's failure: nothing was kept */
  call<T>(decide: Decide<S, T>): Promise<Called<T>>;
  /**
   * For what has happened whether or not it can be written: it is kept, in order, until the store works again.
   * Settles when it is written.
   */
  fact(decide: Decide<S>): Promise<void>;
  /** Decides nothing: runs in its place among the decisions. */
  inOrder(effect: (state: S) => void): void;
  /** Facts wait for a store that fails. */
  isStuck(): boolean;
  /** Settles when nothing waits any more, or the store fails. */
  settled(): Promise<void>;
  /** Waits for what can be written, and gives up what cannot. False: something was given up. */
  writtenWithin(ms: number): Promise<boolean>;
}

export interface LedgerDeps<S> {
  initial: S;
  commit(changes: readonly Change[]): Promise<WriteResult>;
  /** The last word on every draft: what follows from its state, whatever was decided. */
  complete(draft: Draft<S>): void;
  /** Facts cannot be written: told once, when that begins. */
  onStuck(error: unknown): void;
  onError(error: unknown): void;
}

interface Entry<S> {
  decide: Decide<S, unknown>;
  isFact: boolean;
  /** Decides nothing, but has its place: what was decided before it is committed first, and what comes after it later. */
  show?: (state: S) => void;
  resolve(called: Called<unknown>): void;
  reject(error: unknown): void;
}

interface Decided<S> {
  entry: Entry<S>;
  value: unknown;
  effects: (() => void)[];
}

/** A full disk is asked again this soon, and then less and less often. */
const RETRY_MS = 100;
const MAX_RETRY_MS = 1_000;
/** So many decisions share a commit at most. */
const BATCH = 200;

export function createLedger<S>({ initial, commit, complete, onStuck, onError }: LedgerDeps<S>): Ledger<S> {
  let state = initial;
  let waiting: Entry<S>[] = [];
  let committing = false;
  /** Effects of an adopted decision run; what they ask for comes after them. */
  let adopting = false;
  /** So many of those that wait were in a refused write: each gets a commit of its own. */
  let alone = 0;
  let failure: { error: unknown; retryMs: number; timer: NodeJS.Timeout } | undefined;
  let idle: (() => void)[] = [];

  const decideOne = (
    entry: Entry<S>,
    from: S,
  ): { decided: Decided<S>; to: S; changes: Change[] } | undefined => {
    const changes: Change[] = [];
    const effects: (() => void)[] = [];
    const draft: Draft<S> = {
      state: from,
      write: (...more) => void changes.push(...more),
      after: (effect) => void effects.push(effect),
    };
    try {
      const value = entry.decide(draft);
      complete(draft);
      return { decided: { entry, value, effects }, to: draft.state, changes };
    } catch (error) {
      entry.reject(error);
      return undefined;
    }
  };

  const adopt = (to: S, all: readonly Decided<S>[]): void => {
    state = to;
    adopting = true;
    for (const { entry, value, effects } of all) {
      entry.resolve({ ok: true, value });
      for (const effect of effects) {
        try {
          effect();
        } catch (error) {
          onError(error);
        }
      }
    }
    adopting = false;
  };

  const onFailure = (entries: readonly Entry<S>[], error: unknown): void => {
    for (const entry of entries) if (!entry.isFact) entry.reject(error);
    waiting = [...entries.filter((entry) => entry.isFact), ...waiting];
    if (!waiting.some((entry) => entry.isFact)) return;
    if (!failure) onStuck(error);
    const retryMs = Math.min(MAX_RETRY_MS, failure ? failure.retryMs * 2 : RETRY_MS);
    failure = { error, retryMs, timer: setTimeout(pump, retryMs) };
    // Nobody else's message may wait behind facts that the store cannot take.
    for (const entry of waiting) if (!entry.isFact) entry.reject(error);
    waiting = waiting.filter((entry) => entry.isFact);
    tellIdle();
  };

  const tellIdle = (): void => {
    const settled = idle;
    idle = [];
    for (const settle of settled) settle();
  };

  const onRefusal = (entries: Entry<S>[]): void => {
    const [only] = entries;
    if (only && entries.length === 1) only.resolve({ ok: false });
    else {
      // Which of them cannot be told from here.
      waiting = [...entries, ...waiting];
      alone = entries.length;
    }
  };

  const pump = (): void => {
    if (adopting) return;
    while (!committing && waiting.length > 0) {
      const [first] = waiting;
      if (first?.show) {
        waiting = waiting.slice(1);
        adopt(state, [{ entry: first, value: undefined, effects: [() => first.show?.(state)] }]);
        continue;
      }
      // A commit is shown as one: what is shown between two decisions parts them.
      const shown = waiting.findIndex((entry) => entry.show);
      const count = alone > 0 ? 1 : Math.min(BATCH, shown < 0 ? BATCH : shown);
      alone = Math.max(0, alone - 1);
      const entries = waiting.slice(0, count);
      waiting = waiting.slice(count);
      let to = state;
      const all: Decided<S>[] = [];
      const changes: Change[] = [];
      for (const entry of entries) {
        const made = decideOne(entry, to);
        if (!made) continue;
        to = made.to;
        all.push(made.decided);
        changes.push(...made.changes);
      }
      if (changes.length === 0) adopt(to, all);
      else void commitAll(to, all, changes);
    }
    if (committing || waiting.length > 0) return;
    failure = undefined;
    tellIdle();
  };

  const commitAll = async (to: S, all: Decided<S>[], changes: readonly Change[]): Promise<void> => {
    committing = true;
    try {
      const { ok } = await commit(changes);
      failure = undefined;
      committing = false;
      if (ok) adopt(to, all);
      else onRefusal(all.map(({ entry }) => entry));
    } catch (error) {
      committing = false;
      onFailure(
        all.map(({ entry }) => entry),
        error,
      );
    }
    if (!failure) pump();
  };

  const enter = (entry: Entry<S>): void => {
    if (failure && !entry.isFact) {
      entry.reject(failure.error);
      return;
    }
    waiting.push(entry);
    if (!failure) pump();
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
    call: <T>(decide: Decide<S, T>) =>
      new Promise<Called<T>>((resolve, reject) => {
        enter({ decide, isFact: false, resolve: resolve as Entry<S>['resolve'], reject });
      }),
    fact: (decide) =>
      new Promise<void>((resolve, reject) => {
        enter({ decide, isFact: true, resolve: () => resolve(), reject });
      }),
    inOrder(effect) {
      // What is only shown need not be kept for a time when it is old.
      if (failure) return;
      if (!committing && waiting.length === 0) effect(state);
      else
        enter({
          decide: () => {},
          show: effect,
          isFact: false,
          resolve: () => {},
          reject: () => {},
        });
    },
    isStuck: () => failure !== undefined,
    settled,
    async writtenWithin(ms) {
      const deadline = Date.now() + ms;
      await settled();
      while (failure && Date.now() < deadline) await sleep(RETRY_MS);
      if (!failure) return true;
      clearTimeout(failure.timer);
      failure = undefined;
      const given = waiting;
      waiting = [];
      for (const entry of given) entry.resolve({ ok: false });
      return false;
    },
  };
}
