import { EVENTS, ExportLine } from 'claude-agent-protocol';
import type { FieldError } from 'claude-agent-protocol/problems';
import type { Agent, ConversationFile } from '../agent/agent.ts';
import { problem } from '../errors.ts';
import type { ImportedSession, SessionRecord, Store, TurnRecord } from '../store/store.ts';

/** Turns and events read at a time. */
const PAGE = 200;
const FORMAT = 1;

type Line<K extends ExportLine['kind']> = Extract<ExportLine, { kind: K }>;

interface Deps {
  store: Store;
  agent: Agent;
}

/** A session that does nothing, as lines for `readExport`: the session first, then files, turns, events and usage. */
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
      yield { kind: 'file', conversation_id: file.conversationId, path: file.path, text: file.text };
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

/** An exported session, read and checked. */
export interface Export extends ImportedSession {
  files: ConversationFile[];
}

/**
 * Reads what `exportSession` gave.
 * @param createdBy id of the API key that imports it
 * @throws AppError 400 or 422 that names the line
 */
export function readExport(text: string, createdBy: string | null): Export {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const [head, ...rest] = lines.map(readLine);
  if (!head) throw problem('body_missing');
  if (head.kind !== 'session') throw invalid(0, 'kind', 'the first line must be the session');
  const session = sessionOf(head, createdBy);
  const found: Export = { session, conversations: [], turns: [], events: [], usage: [], files: [] };
  for (const [n, line] of rest.entries()) addLine(found, line, n + 1);
  requireWhole(found);
  return found;
}

function readLine(text: string, n: number): ExportLine {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw problem('malformed_json', { why: `line ${n + 1} is not JSON` });
  }
  const parsed = ExportLine.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalid(n, issue?.path.join('.') ?? '', issue?.message ?? 'is not valid');
}

function addLine(found: Export, line: ExportLine, n: number): void {
  const sessionId = found.session.id;
  switch (line.kind) {
    case 'session':
      throw invalid(n, 'kind', 'only the first line is a session');
    case 'conversation':
      found.conversations.push({
        id: line.conversation_id,
        afterSeq: line.after_seq,
        fromDisk: line.from_disk,
      });
      break;
    case 'turn':
      found.turns.push(turnOf(line, sessionId));
      break;
    case 'event': {
      const { seq, at, turn_id: turnId, type, data } = line;
      if (!EVENTS[type].safeParse(data).success) throw invalid(n, 'data', `is not the data of ${type}`);
      const before = found.events.at(-1);
      if (before && seq !== before.seq + 1) throw invalid(n, 'seq', `must be ${before.seq + 1}`);
      found.events.push({ sessionId, seq, at, turnId, type, json: JSON.stringify(data) });
      break;
    }
    case 'usage':
      found.usage.push({
        model: line.model,
        inputTokens: line.input_tokens,
        outputTokens: line.output_tokens,
        cacheReadInputTokens: line.cache_read_input_tokens,
        cacheCreationInputTokens: line.cache_creation_input_tokens,
        costUsd: line.cost_usd,
      });
      break;
    case 'file': {
      const { conversation_id: id, path, text } = line;
      // A conversation's files stay beside its transcript.
      if (path !== `${id}.jsonl` && !path.startsWith(`${id}/`)) {
        throw invalid(n, 'path', `must be ${id}.jsonl or below ${id}/`);
      }
      found.files.push({ conversationId: id, path, text });
    }
  }
}

function requireWhole({ session, conversations, turns, events, files }: Export): void {
  const known = new Set(conversations.map(({ id }) => id));
  const last = events.at(-1)?.seq ?? session.lastSeq;
  const distinct =
    known.size === conversations.length && new Set(turns.map(({ id }) => id)).size === turns.length;
  const keys = turns.flatMap(({ idempotencyKey: key }) => (key === null ? [] : [key]));
  if (!known.has(session.conversationId)) throw invalid(0, 'conversation_id', 'has no line of its own');
  if (files.some((file) => !known.has(file.conversationId)))
    throw invalid(0, 'conversation_id', 'a file belongs to no conversation of the session');
  if (last !== session.lastSeq)
    throw invalid(0, 'last_seq', `the events end with ${last}; is a part missing?`);
  if (!distinct || new Set(keys).size !== keys.length)
    throw invalid(0, 'turn_id', 'two turns or conversations have one id, or two turns one idempotency key');
}

const invalid = (n: number, field: string, message: string) => {
  const errors: FieldError[] = [{ path: `body.line ${n + 1}${field && `.${field}`}`, message }];
  return problem('validation_failed', { errors });
};

const sessionOf = (line: Line<'session'>, createdBy: string | null): SessionRecord => ({
  id: line.session_id,
  createdAt: line.created_at,
  lastActivity: line.last_activity,
  status: 'closed',
  title: line.title,
  metadata: line.metadata,
  cwd: line.cwd,
  worktree: null,
  model: line.model,
  permissionMode: line.permission_mode,
  options: line.options,
  messageCount: line.message_count,
  conversationId: line.conversation_id,
  hasTranscript: line.has_transcript,
  transcriptSeen: line.transcript_seen,
  forkedFrom: line.forked_from,
  createdBy,
  workspace: null,
  lastSeq: line.last_seq,
});

const turnOf = (line: Line<'turn'>, sessionId: string): TurnRecord => ({
  id: line.turn_id,
  sessionId,
  state: line.state,
  initiator: line.initiator,
  input: line.message,
  idempotencyKey: line.idempotency_key,
  inputHash: line.input_hash,
  waitFor: line.wait_for,
  urgent: false,
  createdAt: line.created_at,
  startedAt: line.started_at,
  endedAt: line.ended_at,
  settledAt: line.settled_at,
  steers: line.steers,
  continuedAs: line.continued_as,
  result: line.result,
});
