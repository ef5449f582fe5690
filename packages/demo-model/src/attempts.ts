import type { Step } from './script.ts';

/**
 * Counts how often a step was tried, for steps that fail only the first n times. This is the one thing the demo
 * remembers between requests; the least recently used counts are forgotten beyond `limit`.
 */
interface Attempts {
  /** True while the step should still fail. `key` names the conversation and the step in it. */
  shouldFail(key: string, times: number | undefined): boolean;
}

export function createAttempts(limit = 1_000): Attempts {
  const counts = new Map<string, number>();
  return {
    shouldFail(key, times) {
      if (times === undefined) return true;
      const tried = counts.get(key) ?? 0;
      counts.delete(key);
      counts.set(key, tried + 1);
      if (counts.size > limit) counts.delete(counts.keys().next().value as string);
      return tried < times;
    },
  };
}

/** How a step's `cut` reads: the number of events to send first (undefined: half of them), and how often. */
export function cutOf(step: Step): { after: number | undefined; times: number | undefined } | undefined {
  if (step.cut === undefined) return undefined;
  if (step.cut === true) return { after: undefined, times: undefined };
  if (typeof step.cut === 'number') return { after: step.cut, times: undefined };
  return { after: step.cut.after, times: step.cut.times };
}
