import type { AnswerItem, TurnError, TurnResult, TurnState } from 'claude-agent-protocol';
import type { AgentMessage, Spent, TurnEnd } from '../../agent/agent.ts';
import { event } from '../../events/log.ts';
import type { Change, TurnRecord } from '../../store/store.ts';
import { costOf, tokensOf } from '../usage.ts';
import { type Interruption, turnError } from './reasons.ts';

interface AssistantContent {
  content: readonly {
    type: string;
    text?: string;
    name?: string;
    input?: Record<string, unknown>;
    id?: string;
  }[];
}

/** The part of a turn's answer in an agent message: text and tool calls of the main agent. */
export function answerItems(message: AgentMessage): AnswerItem[] {
  if (message.type !== 'assistant' || message.parent_tool_use_id !== null) return [];
  const { content } = message.message as AssistantContent;
  return content.flatMap((block): AnswerItem[] => {
    if (block.type === 'text' && block.text) return [{ type: 'text', content: block.text }];
    if (block.type !== 'tool_use') return [];
    const { name = '', input = {}, id = '' } = block;
    return [{ type: 'tool_use', tool_name: name, tool_input: input, tool_use_id: id }];
  });
}

/** How a turn ended: with the agent's result (`end`), with an error, or by an interrupt. */
export interface Ending {
  end?: TurnEnd | undefined;
  /** Without the agent's result: the usage reported until then. */
  cut?: Spent | undefined;
  error: TurnError | null;
  interruption?: Interruption | undefined;
  /** The agent never had the message: the same request, under the same idempotency key, may run it yet. */
  unsent?: boolean | undefined;
  /** What it cost in processes before, which is booked. */
  parkedCostUsd?: number | undefined;
}

/**
 * The turn as it ended, and what has to be written for it. An interrupt that came too late changes nothing:
 * a turn that ended well is completed.
 */
export function endTurn(
  turn: TurnRecord,
  messages: readonly AnswerItem[],
  { end, cut, error, interruption, unsent, parkedCostUsd = 0 }: Ending,
  endedAt: string,
): { ended: TurnRecord; changes: Change[] } {
  const why = error !== null || end === undefined ? interruption : undefined;
  const state: TurnState = why ? 'interrupted' : error ? 'failed' : 'completed';
  const result: TurnResult = {
    session_id: turn.sessionId,
    turn_id: turn.id,
    messages: [...messages],
    is_error: state !== 'completed',
    error: why ? turnError(why) : error,
    stop_reason: end?.stopReason ?? null,
    cost_usd: parkedCostUsd + costOf((end ?? cut)?.spent ?? []),
    num_turns: end?.numTurns ?? 0,
    usage: end?.usage ?? (cut && cut.spent.length > 0 ? tokensOf(cut.spent) : null),
    duration_ms: end?.durationMs ?? Math.max(0, Date.parse(endedAt) - Date.parse(turn.startedAt ?? endedAt)),
    ...(end?.structuredOutput !== undefined && { structured_output: end.structuredOutput }),
  };
  const ends = why
    ? event(turn.sessionId, 'turn.interrupted', { result, reason: why.reason }, turn.id, endedAt)
    : error
      ? event(turn.sessionId, 'turn.failed', { result, error }, turn.id, endedAt)
      : event(turn.sessionId, 'turn.completed', { result }, turn.id, endedAt);
  const set = { state, endedAt, result, ...(unsent && { idempotencyKey: null }) };
  return {
    ended: { ...turn, ...set },
    changes: [
      ...bookings(turn.sessionId, cut),
      {
        kind: 'update-turn',
        sessionId: turn.sessionId,
        id: turn.id,
        from: ['queued', 'running'],
        set,
      },
      ends,
    ],
  };
}

/** The turn with its background work over or given up (`error`), and what has to be written for that. */
export function settleTurn(turn: TurnRecord, error: TurnError | null, settledAt: string) {
  const { id, sessionId, result } = turn;
  const whole = result && error ? { ...result, is_error: true, error } : result;
  return {
    settled: { ...turn, settledAt, result: whole },
    changes: [
      {
        kind: 'update-turn' as const,
        sessionId,
        id,
        from: [turn.state],
        set: { settledAt, result: whole },
      },
      ...(whole ? [event(sessionId, 'turn.settled', { result: whole }, id, settledAt)] : []),
    ],
  };
}

/** Books usage that is not in the session's account yet. */
export function bookings(sessionId: string, account: Spent | undefined): Change[] {
  if (!account || account.isBooked) return [];
  return account.spent.map((usage): Change => ({ kind: 'add-usage', sessionId, usage }));
}
