import type { ExportLine } from 'claude-agent-protocol';
import type { Agent } from '../agent/agent.ts';
import type { SessionRecord, Store, TurnRecord } from '../store/store.ts';

/** Turns and events read at a time: one can be as large as a message with images. */
const PAGE = 20;
const FORMAT = 1;

type Line<K extends ExportLine['kind']> = Extract<ExportLine, { kind: K }>;

interface Deps {
  store: Store;
  agent: Agent;
}

/** A session that does nothing, as lines for `importSession`: the session first, then files, turns, events and usage. */
export async function* exportSession(
  { store, agent }: Deps,
  record: SessionRecord,
): AsyncGenerator<ExportLine, void, void> {
  const { id, lastSeq } = record;
  yield sessionLine(record);
  for (const { id: conversationId, afterSeq, fromDisk } of await store.conversations(id)) {
    yield {
      kind: 'conversation',
      conversation_id: conversationId,
      after_seq: afterSeq,
      from_disk: fromDisk,
    };
    for await (const file of agent.files(conversationId)) {
      const { path, part, text } = file;
      yield { kind: 'file', conversation_id: conversationId, path, part, text };
    }
  }
  for (let after: string | undefined; ; ) {
    const turns = await store.listTurns({ sessionId: id, after, limit: PAGE });
    yield* turns.flatMap(turnLine);
    after = turns.at(-1)?.id;
    if (turns.length < PAGE) break;
  }
  for (let after = 0; after < lastSeq; ) {
    const events = (await store.readEvents(id, after, PAGE)).filter(({ seq }) => seq <= lastSeq);
    if (events.length === 0) break;
    for (const { seq, at, turnId, type, json } of events) {
      yield { kind: 'event', seq, at, turn_id: turnId, type, data: JSON.parse(json) };
    }
    after = events.at(-1)?.seq ?? lastSeq;
  }
  for (const row of (await store.sessionUsage(id)).rows) {
    yield {
      kind: 'usage',
      model: row.model,
      input_tokens: row.inputTokens,
      output_tokens: row.outputTokens,
      cache_read_input_tokens: row.cacheReadInputTokens,
      cache_creation_input_tokens: row.cacheCreationInputTokens,
      cost_usd: row.costUsd,
    };
  }
}

const sessionLine = (record: SessionRecord): Line<'session'> => ({
  kind: 'session',
  format: FORMAT,
  session_id: record.id,
  created_at: record.createdAt,
  last_activity: record.lastActivity,
  title: record.title,
  metadata: record.metadata,
  cwd: record.cwd,
  model: record.model,
  permission_mode: record.permissionMode,
  options: record.options,
  message_count: record.messageCount,
  conversation_id: record.conversationId,
  has_transcript: record.hasTranscript,
  transcript_seen: record.transcriptSeen,
  forked_from: record.forkedFrom,
  last_seq: record.lastSeq,
});

/** No line for a turn that was sent after the export began. */
function turnLine(turn: TurnRecord): Line<'turn'>[] {
  const { state } = turn;
  if (state === 'queued' || state === 'running') return [];
  return [
    {
      kind: 'turn',
      turn_id: turn.id,
      state,
      initiator: turn.initiator,
      message: turn.input,
      idempotency_key: turn.idempotencyKey,
      input_hash: turn.inputHash,
      wait_for: turn.waitFor,
      created_at: turn.createdAt,
      started_at: turn.startedAt,
      ended_at: turn.endedAt,
      settled_at: turn.settledAt,
      steers: turn.steers,
      continued_as: turn.continuedAs,
      result: turn.result,
    },
  ];
}
