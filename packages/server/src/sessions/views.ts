import type { Session, SessionDetail, SessionState, Turn, Usage, Workspace } from 'claude-agent-protocol';
import { event } from '../events/log.ts';
import type {
  Change,
  SecretRecords,
  SessionRecord,
  SessionSums,
  TurnRecord,
  UsageRow,
  WorkspaceRecord,
} from '../store/store.ts';
import { costOf, tokensOf } from './usage.ts';

/** The model that a session uses: its own, or the server's default; null leaves it to the agent. */
export const currentModel = (
  record: Pick<SessionRecord, 'model'>,
  defaultModel: string | undefined,
): string | null => record.model ?? defaultModel ?? null;

/** The change that tells what a session is doing now, and how it is set. */
export function stateEvent(
  record: SessionRecord,
  state: SessionState,
  defaultModel: string | undefined,
  at: string,
): Change {
  return event(
    record.id,
    'session.state',
    {
      state,
      model: currentModel(record, defaultModel),
      permission_mode: record.permissionMode,
      title: record.title,
      cwd: record.worktree ?? record.cwd,
    },
    null,
    at,
  );
}

/** What a session does and has done, besides its record. */
export interface SessionDoing {
  state: SessionState;
  tasks: Session['tasks'];
  /** Undefined for a session that was not there when they were read. */
  sums: SessionSums | undefined;
}

/** A session as the API shows it. */
export function sessionView(
  record: SessionRecord,
  { state, tasks, sums }: SessionDoing,
  defaultModel: string | undefined,
): Session {
  return {
    session_id: record.id,
    conversation_id: record.conversationId,
    created_at: record.createdAt,
    last_activity: record.lastActivity,
    status: record.status,
    state,
    message_count: record.messageCount,
    title: record.title,
    metadata: record.metadata,
    cwd: record.worktree ?? record.cwd,
    current_model: currentModel(record, defaultModel),
    permission_mode: record.permissionMode,
    forked_from: record.forkedFrom,
    workspace: record.workspace && workspaceView(record.workspace),
    cost_usd: sums?.costUsd ?? 0,
    last_outcome: sums?.lastOutcome ?? null,
    tasks: [...tasks],
  };
}

/** What may be known of a session's secrets. */
export const secretsView = (secrets: SecretRecords | null): SessionDetail['secrets'] =>
  Object.fromEntries(
    Object.entries(secrets ?? {}).map(([name, secret]) => [
      name,
      { from: 'from' in secret ? secret.from : null, hosts: [...secret.hosts] },
    ]),
  );

function workspaceView({ source, saved, problem }: WorkspaceRecord): Workspace {
  return {
    git: 'git' in source ? source.git : null,
    ref: 'git' in source ? source.ref : null,
    snapshot: 'git' in source ? null : source.snapshot,
    saved_at: saved.at,
    saved_bytes: saved.object.bytes + (saved.base?.bytes ?? 0),
    problem: problem && { code: problem.code, detail: problem.message, at: problem.at },
  };
}

/** A turn as the API shows it. */
export function turnView(turn: TurnRecord): Turn {
  return {
    turn_id: turn.id,
    session_id: turn.sessionId,
    state: turn.state,
    initiator: turn.initiator,
    wait_for: turn.waitFor,
    message: turn.input,
    steers: turn.steers,
    created_at: turn.createdAt,
    started_at: turn.startedAt,
    ended_at: turn.endedAt,
    settled_at: turn.settledAt,
    result: turn.result,
  };
}

/** Sums of what was used, over all models and by model. */
export const usageView = ({ turns, rows }: { turns: number; rows: readonly UsageRow[] }): Usage => ({
  turns,
  ...tokensOf(rows),
  cost_usd: costOf(rows),
  by_model: Object.fromEntries(rows.map((row) => [row.model, { ...tokensOf([row]), cost_usd: row.costUsd }])),
});
