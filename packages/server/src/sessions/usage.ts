import type { ModelUsage } from 'claude-agent-protocol';
import type { UsageAmount } from '../store/store.ts';

/** The tokens of several amounts together, in Anthropic's names. */
export function tokensOf(amounts: readonly UsageAmount[]): Omit<ModelUsage, 'cost_usd'> {
  const sum = (pick: (amount: UsageAmount) => number): number =>
    amounts.reduce((total, amount) => total + pick(amount), 0);
  return {
    input_tokens: sum((amount) => amount.inputTokens),
    output_tokens: sum((amount) => amount.outputTokens),
    cache_read_input_tokens: sum((amount) => amount.cacheReadInputTokens),
    cache_creation_input_tokens: sum((amount) => amount.cacheCreationInputTokens),
  };
}

export const costOf = (amounts: readonly UsageAmount[]): number =>
  amounts.reduce((total, { costUsd }) => total + costUsd, 0);
