import type { Store, StoredEvent } from '../store/store.ts';

/** Reads on in the events of all sessions, in the order of their cursors. */
export interface Tail {
  /** Passes on the events after a cursor. Returns how to stop. */
  follow(after: number, onEvent: (event: StoredEvent) => void): () => void;
}

const PAGE = 500;
/** So often is the store asked when nobody says that something was written. */
const POLL_MS = 500;
/** An event that was just written can be read once no older transaction runs: asked after this time, then twice that. */
const SOON_MS = 5;

/**
 * The events of all sessions for a store that several servers write to: they commit in another order than that of the
 * cursors, so what this server publishes is not the stream. One reader serves all subscribers here.
 */
export function createTail(
  store: Pick<Store, 'readControlEvents' | 'watch'>,
  onError: (error: unknown) => void,
): Tail {
  return {
    follow(after, onEvent) {
      let cursor = after;
      let stopped = false;
      /** Something was written since the last page that had an event. */
      let due = true;
      let delay = SOON_MS;
      let wake = (): void => {};

      const unwatch = store.watch(() => {
        due = true;
        delay = SOON_MS;
        wake();
      });
      const pause = (ms: number): Promise<void> =>
        new Promise((resolve) => {
          const timer = setTimeout(resolve, ms);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      const readOn = async (): Promise<void> => {
        const page = await store.readControlEvents(cursor, PAGE, {});
        if (stopped) return;
        for (const event of page) onEvent(event);
        cursor = page.at(-1)?.cursor ?? cursor;
        if (page.length > 0) {
          due = false;
          return;
        }
        await pause(due ? Math.min(delay, POLL_MS) : POLL_MS);
        delay *= 2;
      };
      (async () => {
        while (!stopped) {
          try {
            await readOn();
          } catch (error) {
            onError(error);
            await pause(POLL_MS);
          }
        }
      })();
      return () => {
        stopped = true;
        unwatch();
        wake();
      };
    },
  };
}
