import type { Change, Store } from '../store/store.ts';

export interface WriteObserver {
  /** A write of the store has ended. `refused`: a condition did not hold; `failed`: the store could not write. */
  onWrite(changes: readonly Change[], outcome: 'ok' | 'refused' | 'failed', seconds: number): void;
}

/** The same store; each write is told when it has ended. */
export function watchStore(store: Store, observer: WriteObserver): Store {
  return {
    ...store,
    async write(changes) {
      const start = performance.now();
      const tell = (outcome: 'ok' | 'refused' | 'failed'): void =>
        observer.onWrite(changes, outcome, (performance.now() - start) / 1000);
      try {
        const result = await store.write(changes);
        tell(result.ok ? 'ok' : 'refused');
        return result;
      } catch (error) {
        tell('failed');
        throw error;
      }
    },
  };
}
