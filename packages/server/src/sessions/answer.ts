import type { AnswerItem, TurnError, TurnResult } from 'claude-agent-client';
import type { AgentMessage, TurnEnd } from '../agent/agent.ts';
import type { TurnRecord } from '../store/store.ts';

interface AssistantContent {
  content: readonly {
    type: string;
    text?: string;
    name?: string;
    input?: Record<string, unknown>;
    id?: string;
  }[];
}

/** What an agent message adds to its turn's answer: text and tool calls of the main agent. */
export function answerItems(message: AgentMessage): AnswerItem[] {
  if (message.type !== 'assistant' || message.parent_tool_use_id !== null) return [];
  const { content } = message.message as AssistantContent;
  return content.flatMap((block): AnswerItem[] => {
    if (block.type === 'text' && block.text) return [{ type: 'text', content: block.text }];
    if (block.type !== 'tool_use') return [];
    return [
      {
        type: 'tool_use',
        tool_name: block.name ?? '',
        tool_input: block.input ?? {},
        tool_use_id: block.id ?? '',
      },
    ];
  });
}

/** The result of a turn, whether the agent ended it (`end`) or something else did. */
export function turnResult(
  turn: TurnRecord,
  messages: AnswerItem[],
  end: TurnEnd | undefined,
  error: TurnError | null,
  endedAt: string,
): TurnResult {
  const started = Date.parse(turn.startedAt ?? endedAt);
  return {
    session_id: turn.sessionId,
    turn_id: turn.id,
    messages,
    is_error: error !== null,
    error,
    stop_reason: end?.stopReason ?? null,
    cost_usd: end?.spent.reduce((sum, row) => sum + row.costUsd, 0) ?? 0,
    num_turns: end?.numTurns ?? 0,
    usage: end?.usage ?? null,
    duration_ms: end?.durationMs ?? Math.max(0, Date.parse(endedAt) - started),
    ...(end?.structuredOutput !== undefined && { structured_output: end.structuredOutput }),
  };
}
