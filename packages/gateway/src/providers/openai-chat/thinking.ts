import type { JsonObject } from '../../messages/types.ts';
import type { ModelFacts, ThinkingStyle } from '../../upstream/target.ts';
import { effortOf, takenEffort, type Wish } from '../shared/thinking.ts';

/** The fields of thinking settings. If an upstream refuses one, the request is sent without it. */
export const thinkingFields = [
  'reasoning_effort',
  'thinking',
  'reasoning',
  'enable_thinking',
  'thinking_budget',
];

/** The thinking settings in the provider's own fields. */
export function thinkingSettings(
  wish: Wish,
  { style, facts, refused }: { style: ThinkingStyle; facts: ModelFacts; refused: ReadonlySet<string> },
): JsonObject {
  // A model that is not listed may support thinking; its provider's own switch does no harm.
  if (facts.reasoning === false || (facts.reasoning === undefined && style === 'effort')) return {};
  const { mode, budget } = wish;
  switch (style) {
    case 'switch':
      return mode === 'unset' ? {} : { thinking: { type: mode === 'on' ? 'enabled' : 'disabled' } };
    case 'openrouter': {
      if (mode === 'off') return { reasoning: { enabled: false } };
      if (budget !== undefined) return { reasoning: { max_tokens: budget } };
      const effort = effortOf(wish);
      if (effort) return { reasoning: { effort } };
      return mode === 'on' ? { reasoning: { enabled: true } } : {};
    }
    case 'qwen':
      if (mode === 'unset') return {};
      return { enable_thinking: mode === 'on', ...(budget !== undefined && { thinking_budget: budget }) };
    case 'effort': {
      const effort = takenEffort(wish, 'reasoning_effort', refused);
      return effort === undefined ? {} : { reasoning_effort: effort };
    }
  }
}
