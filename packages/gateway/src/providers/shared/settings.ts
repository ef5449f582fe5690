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

const ladder = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh'];

/** The supported effort that is nearest to the one asked for, the smaller of two; no thinking only for hardly any. */
export function nearestEffort(effort: string, supported: readonly string[]): string | undefined {
  const wanted = ladder.indexOf(effort);
  const usable = ladder.filter(
    (name) => supported.includes(name) && (name !== 'none' || effort === 'minimal'),
  );
  const distance = (name: string) => Math.abs(ladder.indexOf(name) - wanted);
  return usable.sort((a, b) => distance(a) - distance(b))[0];
}

/** `effortOf` in the words that this upstream takes: a refused one was learned as `field=refused>instead`. */
export function takenEffort(
  request: MessagesRequest,
  field: string,
  refused: ReadonlySet<string>,
): string | undefined {
  let effort: string | undefined = refused.has(field) ? undefined : effortOf(request);
  // What stands in for one may have been refused later; bounded, because lessons of two requests may form a circle.
  for (let step = 0; effort && refused.size > 0 && step < ladder.length; step += 1) {
    const start = `${field}=${effort}>`;
    const lesson = [...refused].find((name) => name.startsWith(start));
    if (lesson === undefined) break;
    effort = lesson.slice(start.length) || undefined;
  }
  return effort;
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
