import type { HistoryMessage } from 'claude-agent-protocol';
import type { Agent, TranscriptMessage } from '../agent/agent.ts';
import { problem } from '../errors.ts';
import type { HistoryEntry, SessionRecord, Store } from '../store/store.ts';

/** The agent begins the summary of a compacted conversation with this sentence (measured on 2.1.330). */
const SUMMARY = 'This session is being continued from a previous conversation that ran out of context.';

/** How many of the log's first entries are looked up in the transcript, to find where the log begins. */
const ANCHORS = 50;

export interface HistoryDeps {
  store: Store;
  agent: Agent;
}

export interface HistoryQuery {
  limit: number;
  offset: number;
  /** A conversation other than the session's present one. */
  conversationId?: string | undefined;
}

export interface History {
  messages: HistoryMessage[];
  /** Ids of all conversations of the session, oldest first. */
  conversations: string[];
  /** Older messages of the conversation were removed from the log. */
  truncated: boolean;
}

/**
 * The history of a session's conversation, read from the log: the agent's transcript loses compacted messages and may
 * be gone. Only messages from before the log began come from the transcript.
 * @throws AppError 404 when the session has no such conversation
 */
export async function readHistory(
  { store, agent }: HistoryDeps,
  record: SessionRecord,
  { limit, offset, conversationId = record.conversationId }: HistoryQuery,
): Promise<History> {
  const all = await store.conversations(record.id);
  const conversations = all.map(({ id }) => id);
  const index = all.findIndex(({ id }) => id === conversationId);
  const conversation = all[index];
  if (!conversation) {
    throw problem('conversation_not_found', {
      sessionId: record.id,
      id: conversationId,
      known: conversations,
    });
  }
  const after = conversation.afterSeq;
  const until = all[index + 1]?.afterSeq ?? Number.MAX_SAFE_INTEGER;
  const logged = async (count: number, from: number): Promise<HistoryMessage[]> =>
    (await store.history(record.id, { after, until, limit: count, offset: from })).map(toMessage);
  const before = conversation.fromDisk
    ? beforeTheLog(await agent.history(conversation.id), await logged(ANCHORS, 0))
    : [];
  const page = before.slice(offset, offset + limit).map(fromTranscript);
  const rest = limit - page.length;
  const later = rest > 0 ? await logged(rest, Math.max(0, offset - before.length)) : [];
  const truncated = (await store.firstSeq(record.id)) > after + 1;
  return { messages: [...page, ...later], conversations, truncated };
}

/**
 * What was said in one turn on the main thread in the session's present conversation, its prompt first: from the log, and
 * from the turn's beginning only.
 */
export async function readTurn(
  store: Store,
  { id, conversationId }: SessionRecord,
  turnId: string,
): Promise<HistoryMessage[]> {
  const conversation = (await store.conversations(id)).find((each) => each.id === conversationId);
  const after = Math.max((await store.turnStart(id, turnId)) ?? 0, conversation?.afterSeq ?? 0);
  const until = Number.MAX_SAFE_INTEGER;
  const said = await store.history(id, { after, until, limit: until, offset: 0 });
  return said.map(toMessage).filter((message) => message.turn_id === turnId);
}

/** The part of a transcript that is older than the log. */
function beforeTheLog(
  transcript: TranscriptMessage[],
  logged: readonly HistoryMessage[],
): TranscriptMessage[] {
  const known = new Set(logged.map(({ uuid }) => uuid));
  const begin = transcript.findIndex(({ uuid }) => known.has(uuid));
  if (begin >= 0) return transcript.slice(0, begin);
  // Nothing logged has reached the transcript, or everything left in it is newer.
  return transcript[0] && known.size > 0 && isSummary(transcript[0].message) ? [] : transcript;
}

const fromTranscript = (message: TranscriptMessage): HistoryMessage => ({
  ...message,
  turn_id: null,
  is_summary: message.type === 'user' && isSummary(message.message),
});

function toMessage({ turnId, entry }: HistoryEntry): HistoryMessage {
  if ('input' in entry) {
    return {
      // The agent knows the prompt under the turn's id, and a message that it took in later under its own.
      uuid: entry.messageId ?? turnId ?? '',
      type: 'user',
      message: { role: 'user', content: entry.input },
      parent_tool_use_id: null,
      turn_id: turnId,
      is_summary: false,
    };
  }
  const said = JSON.parse(entry.json) as TranscriptMessage;
  return {
    uuid: said.uuid,
    type: said.type,
    message: said.message,
    parent_tool_use_id: null,
    turn_id: turnId,
    is_summary: said.type === 'user' && isSummary(said.message),
  };
}

/** Whether a user's message is the agent's summary of a compacted conversation. */
export function isSummary(message: unknown): boolean {
  const content = (message as { content?: unknown } | null)?.content;
  if (typeof content === 'string') return content.startsWith(SUMMARY);
  const first: unknown = Array.isArray(content) ? content[0] : undefined;
  const text = (first as { text?: unknown } | undefined)?.text;
  return typeof text === 'string' && text.startsWith(SUMMARY);
}
