import type { MessagesRequest } from '../../messages/types.ts';

// What a client says about thinking, read once. How each upstream is told stands beside its dialect
// (`openai-chat/thinking.ts`, `ai-sdk/thinking.ts`); the README has the whole table.

/** The levels that OpenAI and most others have; Anthropic's `xhigh` and `max` are `high` to them. */
export type Effort = 'low' | 'medium' | 'high';

export interface Wish {
  /** `unset`: the client did not speak of thinking, so the model does as it likes and the client sees none of it. */
  mode: 'on' | 'off' | 'unset';
  effort?: Effort;
  /** Tokens to think with, in the client's own number. */
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

/** Whether the client wants to see thoughts: only one that asked for thinking expects a block before the text. */
export const wantsThoughts = (request: MessagesRequest): boolean => wishOf(request).mode === 'on';

/** The budgets that Claude Code's own levels stood for: about 4k, 10k and 32k tokens. */
const budgets: Readonly<Record<Effort, number>> = { low: 4_096, medium: 10_240, high: 31_999 };

/** The level that a budget comes to, for upstreams that have levels only. */
export function effortOf({ effort, budget }: Wish): Effort | undefined {
  if (effort || budget === undefined) return effort;
  if (budget <= budgets.low) return 'low';
  return budget <= 16_384 ? 'medium' : 'high';
}

/** The least that Claude takes. */
const leastBudget = 1_024;

/**
 * The budget of an upstream that has budgets only: the client's own number, or what its level stands for, and always
 * below `limit`, which it is a part of. Without a level the answer keeps a quarter of the limit for itself.
 * @returns undefined where the limit leaves no room to think
 */
export function budgetWithin(wish: Wish, limit: number | undefined): number | undefined {
  const wanted =
    wish.budget ?? Math.min(budgets[wish.effort ?? 'high'], Math.floor((limit ?? 43_000) * 0.75));
  const budget = limit === undefined ? wanted : Math.min(wanted, limit - 1);
  return budget >= leastBudget ? budget : undefined;
}

const ladder = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh'];

/** The supported effort that is nearest to the one asked for, the smaller of two; `none` only for hardly any. */
export function nearestEffort(effort: string, supported: readonly string[]): string | undefined {
  const wanted = ladder.indexOf(effort);
  const usable = ladder.filter(
    (name) => supported.includes(name) && (name !== 'none' || effort === 'minimal'),
  );
  const distance = (name: string) => Math.abs(ladder.indexOf(name) - wanted);
  return usable.sort((a, b) => distance(a) - distance(b))[0];
}

/** The word of OpenAI's scale that says the wish; undefined leaves it to the provider. */
function effortWord(wish: Wish): string | undefined {
  return wish.mode === 'off' ? 'none' : effortOf(wish);
}

/** `effortWord` as this upstream takes it: a refused one was learned as `field=refused>instead`. */
export function takenEffort(wish: Wish, field: string, refused: ReadonlySet<string>): string | undefined {
  let effort = refused.has(field) ? undefined : effortWord(wish);
  // What stands in for one may have been refused later; bounded, because lessons of two requests may form a circle.
  for (let step = 0; effort && refused.size > 0 && step < ladder.length; step += 1) {
    const start = `${field}=${effort}>`;
    const lesson = [...refused].find((name) => name.startsWith(start));
    if (lesson === undefined) break;
    effort = lesson.slice(start.length) || undefined;
  }
  return effort;
}

/** The wish where Claude allows no thinking: a call that is forced. Claude answers 400 to both together. */
export function withoutForcedThinking(wish: Wish, request: MessagesRequest): Wish {
  const choice = request.tool_choice?.type;
  return wish.mode === 'on' && (choice === 'any' || choice === 'tool') ? { mode: 'off' } : wish;
}
