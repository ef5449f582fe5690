import type { MessagesRequest } from '../../messages/types.ts';

// Reads a client's thinking settings. Their conversion is beside each dialect (`openai-chat/thinking.ts`,
// `ai-sdk/thinking.ts`); the README has the whole table.

/** The efforts of OpenAI and most others; Anthropic's `xhigh` and `max` are converted to `high`. */
export type Effort = 'low' | 'medium' | 'high';

export interface Wish {
  /** `unset`: no setting, so the model uses its default and the client sees no thoughts. */
  mode: 'on' | 'off' | 'unset';
  effort?: Effort;
  /** The client's own budget in tokens. */
  budget?: number;
  /** Whether the client wants to read the thoughts (`display` of adaptive thinking). */
  display?: string;
}

const adaptiveOrEnabled = new Set(['adaptive', 'enabled', 'between_tools']);

export function wishOf(request: MessagesRequest): Wish {
  const { thinking } = request;
  const effort = effortIn(request);
  if (thinking?.type === 'disabled') return { mode: 'off' };
  if (!thinking || !adaptiveOrEnabled.has(thinking.type)) return { mode: 'unset', ...(effort && { effort }) };
  const budget = thinking.type === 'enabled' ? thinking.budget_tokens : undefined;
  return {
    mode: 'on',
    ...(effort && { effort }),
    ...(typeof budget === 'number' && budget > 0 && { budget }),
    ...(thinking.display !== undefined && { display: thinking.display }),
  };
}

function effortIn(request: MessagesRequest): Effort | undefined {
  const effort = request.output_config?.effort;
  if (effort === undefined || effort === null) return undefined;
  return effort === 'low' || effort === 'medium' ? effort : 'high';
}

/** Whether to show thoughts: a client without thinking settings does not expect a block before the text. */
export const wantsThoughts = (request: MessagesRequest): boolean => wishOf(request).mode === 'on';

/** The budgets behind Claude Code's own efforts: about 4k, 10k and 32k tokens. */
const budgets: Readonly<Record<Effort, number>> = { low: 4_096, medium: 10_240, high: 31_999 };

/** The effort for a budget, for upstreams without budgets. */
export function effortOf({ effort, budget }: Wish): Effort | undefined {
  if (effort || budget === undefined) return effort;
  if (budget <= budgets.low) return 'low';
  return budget <= 16_384 ? 'medium' : 'high';
}

/** Claude's minimum. */
const leastBudget = 1_024;

/**
 * The budget for upstreams without efforts: the client's own, or that of its effort, always below `limit`, which
 * includes it. Without an effort, a quarter of the limit is left for the answer.
 * @returns undefined where the limit leaves no room to think
 */
export function budgetWithin(wish: Wish, limit: number | undefined): number | undefined {
  const wanted =
    wish.budget ?? Math.min(budgets[wish.effort ?? 'high'], Math.floor((limit ?? 43_000) * 0.75));
  const budget = limit === undefined ? wanted : Math.min(wanted, limit - 1);
  return budget >= leastBudget ? budget : undefined;
}

const ladder = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh'];

/** The supported effort nearest to the requested one, the smaller of two; `none` only for `minimal`. */
export function nearestEffort(effort: string, supported: readonly string[]): string | undefined {
  const wanted = ladder.indexOf(effort);
  const usable = ladder.filter(
    (name) => supported.includes(name) && (name !== 'none' || effort === 'minimal'),
  );
  const distance = (name: string) => Math.abs(ladder.indexOf(name) - wanted);
  return usable.sort((a, b) => distance(a) - distance(b))[0];
}

/** The wish on OpenAI's scale; undefined leaves it to the provider. */
function effortWord(wish: Wish): string | undefined {
  return wish.mode === 'off' ? 'none' : effortOf(wish);
}

/** `effortWord` for this upstream: refused efforts were learned as `field=refused>replacement`. */
export function takenEffort(wish: Wish, field: string, refused: ReadonlySet<string>): string | undefined {
  let effort = refused.has(field) ? undefined : effortWord(wish);
  // A replacement may have been refused later. Bounded, because lessons of two requests may form a cycle.
  for (let step = 0; effort && refused.size > 0 && step < ladder.length; step += 1) {
    const start = `${field}=${effort}>`;
    const lesson = [...refused].find((name) => name.startsWith(start));
    if (lesson === undefined) break;
    effort = lesson.slice(start.length) || undefined;
  }
  return effort;
}

/** The wish without thinking when a tool call is forced: Claude refuses both together. */
export function withoutForcedThinking(wish: Wish, request: MessagesRequest): Wish {
  const choice = request.tool_choice?.type;
  return wish.mode === 'on' && (choice === 'any' || choice === 'tool') ? { mode: 'off' } : wish;
}
