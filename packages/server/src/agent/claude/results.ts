import type { UsageRow } from '../../store/store.ts';
import type { AgentMessage, TurnEnd } from '../agent.ts';
import type { ModelUsage } from './totals.ts';

/** The fields of the SDK's result message that are used here. */
export interface ResultMessage {
  subtype: string;
  is_error: boolean;
  result?: string;
  errors?: string[];
  stop_reason: string | null;
  num_turns: number;
  duration_ms: number;
  usage: unknown;
  modelUsage: ModelUsage;
  structured_output?: unknown;
  terminal_reason?: string;
  user_message_uuid?: string;
  user_message_uuids?: string[];
  origin?: { kind: string };
}

export type ResultReader = (message: ResultMessage) => Promise<TurnEnd>;

export interface ResultReaderOptions {
  /** Usage of the turn that a result ends, by model. */
  spentBy(message: ResultMessage): UsageRow[] | Promise<UsageRow[]>;
  /** True when it is already booked to the session's account. */
  isBooked: boolean;
  /** Adds the reason of a failed turn to the agent's message. Called for every result; undefined if it did not fail. */
  explain(words: string | undefined): string | undefined;
}

/** Converts the result messages of one process. */
export function createResultReader({ spentBy, isBooked, explain }: ResultReaderOptions): ResultReader {
  const errorOf = (message: ResultMessage): TurnEnd['error'] => {
    const error = message.is_error ? wordsOf(message) : null;
    const words = explain(error?.message);
    return error && { ...error, message: words ?? error.message };
  };
  return async (message) => ({
    // Messages that the agent took together are one turn, the first one's; `user_message_uuid` names the last.
    turnId: message.user_message_uuids?.[0] ?? message.user_message_uuid ?? null,
    ownInitiative: message.origin !== undefined && message.origin.kind !== 'human',
    isError: message.is_error,
    error: errorOf(message),
    stopReason: message.stop_reason,
    numTurns: message.num_turns,
    durationMs: message.duration_ms,
    usage: Object.assign({}, message.usage),
    ...(message.structured_output !== undefined && { structuredOutput: message.structured_output }),
    spent: await spentBy(message),
    isBooked,
  });
}

function wordsOf(message: ResultMessage): { code: string; message: string } {
  // An API error ends a turn with subtype 'success' and the message in `result`.
  const code = message.subtype === 'success' ? (message.terminal_reason ?? 'agent_error') : message.subtype;
  const words = message.result || message.errors?.join('\n');
  return { code, message: words || `The agent ended the turn: ${code}.` };
}

/**
 * The id of the user message that the agent starts on, if this message reports one. Before that, it may still be busy
 * with its own work, such as the report of a background task.
 */
export function takenUp(message: AgentMessage): string | undefined {
  const { command_uuid, user_message_uuid, user_message_uuids } = message as {
    command_uuid?: string;
    user_message_uuid?: string;
    user_message_uuids?: string[];
  };
  if (message.type === 'command_lifecycle') return message.state === 'started' ? command_uuid : undefined;
  return user_message_uuid ?? user_message_uuids?.at(-1);
}

/**
 * Classifies a message: stored, live only, or dropped. Progress that the next message supersedes is not worth a
 * commit; command_lifecycle and session_state_changed are internal.
 */
export function classify(message: AgentMessage): 'keep' | 'show' | 'drop' {
  if (message.type === 'stream_event' || message.type === 'tool_progress') return 'show';
  // A `thinking_tokens` message comes with every delta of a thinking block.
  if (message.type === 'system' && (message.subtype === 'status' || message.subtype === 'thinking_tokens'))
    return 'show';
  if (message.type === 'system' && BOOKKEEPING.has(String(message.subtype))) return 'drop';
  return message.type === 'command_lifecycle' || message.type === 'keep_alive' ? 'drop' : 'keep';
}

/** `ui_invalidate` comes when a spare is claimed. */
const BOOKKEEPING: ReadonlySet<string> = new Set(['session_state_changed', 'ui_invalidate']);
