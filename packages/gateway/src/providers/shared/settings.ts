import type { JsonObject, MessagesRequest } from '../../messages/types.ts';
import type { ModelFacts } from '../provider.ts';

export type Effort = 'minimal' | 'low' | 'medium' | 'high';

/** How hard the model is asked to think; undefined leaves it to the provider. */
export function effortOf(request: MessagesRequest): Effort | undefined {
  const thinking = request.thinking;
  if (thinking?.type === 'disabled') return 'minimal';
  const effort = request.output_config?.effort;
  if (effort === 'low' || effort === 'medium') return effort;
  if (effort !== undefined) return 'high';
  if (thinking?.type === 'enabled' && thinking.budget_tokens !== undefined) {
    // The budgets that Claude Code's own levels stood for: about 4k, 10k and 32k tokens.
    if (thinking.budget_tokens <= 4_096) return 'low';
    return thinking.budget_tokens <= 16_384 ? 'medium' : 'high';
  }
  return undefined;
}

/** The schema that the answer has to follow, wherever the client put it. */
export function answerSchema(request: MessagesRequest): JsonObject | undefined {
  const format = request.output_config?.format ?? request.output_format;
  return format?.type === 'json_schema' ? format.schema : undefined;
}

/** No more than the model can write: 32,000 is what the agent asks of every model. */
export function maxTokens(request: MessagesRequest, facts: ModelFacts): number | undefined {
  if (request.max_tokens === undefined) return undefined;
  return facts.output ? Math.min(request.max_tokens, facts.output) : request.max_tokens;
}
