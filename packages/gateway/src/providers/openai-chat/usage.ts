import type { Usage } from '../../messages/types.ts';
import { inputUsage } from '../shared/usage.ts';
import type { ChatUsage } from './types.ts';

/** The token counts of an answer; the count of cached tokens is in one of several fields. */
export function convertUsage(usage: ChatUsage): Partial<Usage> {
  const details = usage.prompt_tokens_details;
  const cached = details?.cached_tokens ?? usage.prompt_cache_hit_tokens ?? usage.cached_tokens ?? 0;
  const written = details?.cache_write_tokens ?? 0;
  const result: Partial<Usage> = {};
  if (usage.prompt_tokens) Object.assign(result, inputUsage(usage.prompt_tokens, cached, written));
  const output = (usage.completion_tokens ?? 0) + uncountedReasoning(usage);
  if (output > 0) result.output_tokens = output;
  return result;
}

/** OpenAI includes reasoning in `completion_tokens`, xAI does not: the total shows which. */
function uncountedReasoning(usage: ChatUsage): number {
  const reasoning = usage.completion_tokens_details?.reasoning_tokens ?? 0;
  const visible = (usage.prompt_tokens ?? 0) + (usage.completion_tokens ?? 0);
  return reasoning > 0 && visible + reasoning === usage.total_tokens ? reasoning : 0;
}
