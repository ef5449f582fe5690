import type { JSONObject, LanguageModelV4CallOptions, SharedV4ProviderOptions } from '@ai-sdk/provider';
import type { MessagesRequest } from '../../messages/types.ts';
import type { Dialect, ModelFacts } from '../../upstream/target.ts';
import { budgetWithin, effortOf, type Wish, wishOf, withoutForcedThinking } from '../shared/thinking.ts';

interface ThinkingTarget {
  dialect: Dialect;
  model: string;
  facts: ModelFacts;
}

/** What a wish about thinking comes to in a provider package's own options. */
interface ThinkingOptions {
  reasoning?: LanguageModelV4CallOptions['reasoning'];
  maxOutputTokens?: number;
  providerOptions?: SharedV4ProviderOptions;
}

/** Claude at Bedrock or Vertex. For an inference profile with an opaque name, the configuration says so. */
export function isClaude({ dialect, model, facts }: ThinkingTarget): boolean {
  const name = facts.baseModel ?? model;
  return (
    dialect === 'google-vertex-anthropic' ||
    (dialect === 'amazon-bedrock' && /anthropic\.|^claude-/.test(name))
  );
}

/**
 * How a Claude model takes thinking settings, by version: until 3.5 none, until 4.5 a budget, 4.6 either, since 4.7
 * (and without a version in the name) only `adaptive`.
 */
export function claudeForm(model: string): 'none' | 'budget' | 'both' | 'adaptive' {
  const found = /claude-(?:[a-z]+-)?(\d+)(?:[-.](\d{1,2})(?!\d))?/.exec(model);
  if (!found) return 'adaptive';
  const version = Number(found[1]) + Number(found[2] ?? 0) / 100;
  if (version < 3.07) return 'none';
  if (version < 4.06) return 'budget';
  return version < 4.07 ? 'both' : 'adaptive';
}

/**
 * @param limit the answer's token limit, which includes thinking. Claude's packages add the budget to their own limit,
 * so they get the limit without it.
 */
export function thinkingOptions(
  request: MessagesRequest,
  target: ThinkingTarget,
  limit: number | undefined,
): ThinkingOptions {
  if (target.facts.reasoning === false) return {};
  const wish = wishOf(request);
  if (isClaude(target)) return claude(withoutForcedThinking(wish, request), target, limit);
  if (!target.facts.reasoning) return {};
  switch (target.dialect) {
    case 'google':
    case 'google-vertex':
      return gemini(wish, target.model, limit);
    case 'cohere':
      return cohere(wish, limit);
    default:
      // Nova and GPT at Bedrock have levels.
      return wish.mode === 'off' ? { reasoning: 'none' } : byEffort(wish);
  }
}

function byEffort(wish: Wish): ThinkingOptions {
  const reasoning = effortOf(wish);
  return reasoning ? { reasoning } : {};
}

function claude(
  wish: Wish,
  { dialect, model, facts }: ThinkingTarget,
  limit: number | undefined,
): ThinkingOptions {
  const form = claudeForm(facts.baseModel ?? model);
  if (form === 'none' || wish.mode === 'unset') return {};
  // For some newer models thinking cannot be turned off; the packages know which.
  if (wish.mode === 'off') return { reasoning: 'none' };
  const atBedrock = dialect === 'amazon-bedrock';
  if (form === 'budget' || (form === 'both' && wish.budget !== undefined)) {
    const budgetTokens = budgetWithin(wish, limit);
    if (budgetTokens === undefined) return {};
    const config = { type: 'enabled', budgetTokens };
    return {
      ...(limit !== undefined && { maxOutputTokens: limit - budgetTokens }),
      providerOptions: atBedrock
        ? { bedrock: { reasoningConfig: config } }
        : { anthropic: { thinking: config } },
    };
  }
  const effort = effortOf(wish);
  const adaptive = { type: 'adaptive', ...(wish.display !== undefined && { display: wish.display }) };
  return {
    providerOptions: atBedrock
      ? { bedrock: { reasoningConfig: { ...adaptive, ...(effort && { maxReasoningEffort: effort }) } } }
      : { anthropic: { thinking: adaptive, ...(effort && { effort }) } },
  };
}

/** Gemini 2.5 has budgets (0 is off, which Pro does not take), Gemini 3 has levels. */
function gemini(wish: Wish, model: string, limit: number | undefined): ThinkingOptions {
  const shown = { includeThoughts: wish.mode === 'on' };
  const options = (thinkingConfig: JSONObject): SharedV4ProviderOptions => ({
    google: { thinkingConfig },
    vertex: { thinkingConfig },
  });
  if (!/gemini-2\.5/.test(model)) {
    const reasoning = wish.mode === 'off' ? ('minimal' as const) : effortOf(wish);
    return { ...(reasoning && { reasoning }), providerOptions: options(shown) };
  }
  const isPro = /gemini-2\.5-pro/.test(model);
  if (wish.mode === 'off') return { providerOptions: options({ ...shown, thinkingBudget: isPro ? 128 : 0 }) };
  const asks = wish.budget !== undefined || wish.effort !== undefined;
  // -1 lets the model choose, which is what `adaptive` means.
  if (!asks) {
    return { providerOptions: options(wish.mode === 'on' ? { ...shown, thinkingBudget: -1 } : shown) };
  }
  const most = isPro ? 32_768 : 24_576;
  const budget = budgetWithin(wish, limit);
  const thinkingBudget = budget === undefined ? (isPro ? 128 : 0) : Math.min(budget, most);
  return { providerOptions: options({ ...shown, thinkingBudget }) };
}

function cohere(wish: Wish, limit: number | undefined): ThinkingOptions {
  if (wish.mode === 'off') return { reasoning: 'none' };
  if (wish.mode === 'unset') return {};
  const asks = wish.budget !== undefined || wish.effort !== undefined;
  const tokenBudget = asks ? budgetWithin(wish, limit) : undefined;
  return {
    providerOptions: {
      cohere: { thinking: { type: 'enabled', ...(tokenBudget !== undefined && { tokenBudget }) } },
    },
  };
}
