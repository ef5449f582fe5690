import { afterEach, beforeEach, expect } from 'vitest';
import { sampleSession, sampleTurn } from '../../../test/support/samples.ts';
import type { SessionRecord, Store, TurnRecord } from '../store.ts';

/** The store under test, a new and empty one in each test, and shorthands for what most tests begin with. */
export interface Subject {
  readonly store: Store;
  newSession(set?: Partial<SessionRecord>): Promise<SessionRecord>;
  newTurn(sessionId: string, set?: Partial<TurnRecord>): Promise<TurnRecord>;
  /** Another empty store, after a test has closed the first one. */
  reopen(): Promise<void>;
}

export function createSubject(open: () => Promise<Store> | Store): Subject {
  let store: Store;
  beforeEach(async () => {
    store = await open();
  });
  afterEach(() => store.close());

  return {
    get store() {
      return store;
    },
    async newSession(set = {}) {
      const session = sampleSession(set);
      expect(await store.write([{ kind: 'insert-session', session }])).toEqual({ ok: true, events: [] });
      return session;
    },
    async newTurn(sessionId, set = {}) {
      const turn = sampleTurn(sessionId, set);
      expect(await store.write([{ kind: 'insert-turn', turn }])).toMatchObject({ ok: true });
      return turn;
    },
    async reopen() {
      store = await open();
    },
  };
}
