/** How many failures of one caller, or address, have records of their own in a minute … */
const OF_ONE = 20;
/** … and of all of them. */
const OF_ALL = 200;
/** Callers that are told apart; failures of others are counted together. */
const CALLERS = 1_000;
const WINDOW_MS = 60_000;

/** Bounds the records of failed requests: strangers can send any number of them. */
export interface Failures<T> {
  /**
   * Whether a failure has a record of its own; if not, it is counted.
   * @param source who sent it
   */
  admit(source: string, failure: T): boolean;
  /** What was counted since the last time: the last failure of each source, and how many. Begins another minute. */
  take(): { failure: T; count: number }[];
  stop(): void;
}

/** @param onWindow called a minute after the first failure that was counted */
export function createFailures<T>(onWindow: () => void, now: () => number = Date.now): Failures<T> {
  let sources = new Map<string, { admitted: number; counted: number; last: T }>();
  let [admitted, began] = [0, 0];
  let timer: NodeJS.Timeout | undefined;

  const reset = (): void => {
    clearTimeout(timer);
    timer = undefined;
    sources = new Map();
    admitted = 0;
    began = now();
  };

  return {
    admit(given, failure) {
      if (timer === undefined && now() - began >= WINDOW_MS) reset();
      const source = sources.has(given) || sources.size < CALLERS ? given : '';
      const seen = sources.get(source) ?? { admitted: 0, counted: 0, last: failure };
      sources.set(source, seen);
      seen.last = failure;
      if (seen.admitted < OF_ONE && admitted < OF_ALL) {
        seen.admitted++;
        admitted++;
        return true;
      }
      seen.counted++;
      timer ??= setTimeout(onWindow, WINDOW_MS).unref();
      return false;
    },
    take() {
      const counted = [...sources.values()].filter((each) => each.counted > 0);
      reset();
      return counted.map(({ last, counted: count }) => ({ failure: last, count }));
    },
    stop: () => clearTimeout(timer),
  };
}
