import { EVENTS, ExportLine } from 'claude-agent-protocol';
import type { FieldError } from 'claude-agent-protocol/problems';
import { type AppError, problem } from '../errors.ts';
import type { Owned, SessionRecord, TurnRecord } from '../store/store.ts';

/** A line of an exported session. */
export type Line<K extends ExportLine['kind']> = Extract<ExportLine, { kind: K }>;

/**
 * Reads and checks one line; `n` counts from 0.
 * @throws AppError 400 or 422 that names the line
 */
export function readLine(text: string, n: number): ExportLine {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw problem('malformed_json', { why: `line ${n + 1} is not JSON` });
  }
  const parsed = ExportLine.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(n, issue?.path.join('.') ?? '', issue?.message ?? 'is not valid');
  }
  const line = parsed.data;
  if (line.kind === 'event' && !EVENTS[line.type].safeParse(line.data).success)
    throw invalid(n, 'data', `is not the data of ${line.type}`);
  if (line.kind === 'file') {
    const { conversation_id: id, path } = line;
    // A conversation's files stay beside its transcript.
    if (path !== `${id}.jsonl` && !path.startsWith(`${id}/`))
      throw invalid(n, 'path', `must be ${id}.jsonl or below ${id}/`);
  }
  return line;
}

/** What is wrong with a line; `n` counts from 0. */
export const invalid = (n: number, field: string, message: string): AppError => {
  const errors: FieldError[] = [{ path: `body.line ${n + 1}${field && `.${field}`}`, message }];
  return problem('validation_failed', { errors });
};

/** The record of a session that comes. */
export const sessionOf = (line: Line<'session'>, { createdBy, tenant }: Owned): SessionRecord => ({
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
  tenant,
  workspace: null,
  // Values stay where they were given.
  secrets: null,
  lastSeq: line.last_seq,
});

export const turnOf = (line: Line<'turn'>, sessionId: string): TurnRecord => ({
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
