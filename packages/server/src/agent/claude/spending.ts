import type { UsageRow } from '../../store/store.ts';
import type { AgentMessage } from '../agent.ts';
import { createTally, type Price } from '../tally.ts';
import type { ModelUsage } from './totals.ts';

/** What a process spends, as the agent counts it. */
export interface Spending {
  /** Takes every message of the process. */
  see(message: AgentMessage): void;
  /** The amount spent between the previous result and this one. */
  upTo(result: { modelUsage: ModelUsage }): Promise<UsageRow[]>;
  /** Reported usage that no result covers, for a process that ends. */
  cut(): Promise<UsageRow[]>;
}

/**
 * Results carry cumulative totals. A turn's share is the difference to the previous result or, for the first one, to
 * the totals that a resumed process starts from (`saved`).
 */
export function createSpending(saved: Promise<ModelUsage>, price: Price): Spending {
  const tally = createTally(price);
  let before = saved;
  /** From conversations that the agent left in mid-turn. */
  let left: Promise<UsageRow[]>[] = [];
  let isCut = false;

  return {
    see(message) {
      tally.add(message);
      // `/clear` and leaving plan mode reset the agent's totals to zero (measured: the result of `/clear` has {}).
      if (message.type === 'conversation_reset') left.push(tally.take());
    },

    async upTo({ modelUsage }) {
      tally.clear();
      const reported = left;
      left = [];
      const old = await before;
      before = Promise.resolve(modelUsage);
      // Already accounted for, call by call.
      if (isCut) return [];
      if (!isLess(modelUsage, old)) return difference(old, modelUsage);
      return [...(await Promise.all(reported)).flat(), ...difference({}, modelUsage)];
    },

    async cut() {
      isCut = true;
      const rows = await Promise.all([...left, tally.take()]);
      left = [];
      return rows.flat();
    },
  };
}

/** Totals only grow, unless they were reset. */
const isLess = (now: ModelUsage, before: ModelUsage): boolean =>
  Object.entries(before).some(([model, old]) => {
    const sum = now[model];
    return !sum || sum.inputTokens < old.inputTokens || sum.outputTokens < old.outputTokens;
  });

function difference(before: ModelUsage, after: ModelUsage): UsageRow[] {
  return Object.entries(after).flatMap(([model, sum]) => {
    const old = before[model];
    const row: UsageRow = {
      model,
      inputTokens: sum.inputTokens - (old?.inputTokens ?? 0),
      outputTokens: sum.outputTokens - (old?.outputTokens ?? 0),
      cacheReadInputTokens: sum.cacheReadInputTokens - (old?.cacheReadInputTokens ?? 0),
      cacheCreationInputTokens: sum.cacheCreationInputTokens - (old?.cacheCreationInputTokens ?? 0),
      costUsd: sum.costUSD - (old?.costUSD ?? 0),
    };
    return row.inputTokens + row.outputTokens + row.cacheReadInputTokens + row.cacheCreationInputTokens > 0
      ? [row]
      : [];
  });
}
