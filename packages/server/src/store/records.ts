import type {
  PendingCall,
  PermissionKind,
  PermissionMode,
  PermissionReason,
  PermissionState,
  ResolvedBy,
  SessionOptions,
  SessionStatus,
  TurnInitiator,
  TurnResult,
  TurnState,
  UserInput,
  WaitFor,
} from 'claude-agent-protocol';

/** A stored session. Times are ISO 8601 UTC. */
export interface SessionRecord {
  id: string;
  createdAt: string;
  lastActivity: string;
  status: SessionStatus;
  title: string | null;
  metadata: Record<string, unknown>;
  /** The folder in which its processes start. */
  cwd: string;
  /** The folder in which the agent works now, if it has entered a worktree. */
  worktree: string | null;
  /** null means the server's default model. */
  model: string | null;
  permissionMode: PermissionMode;
  options: SessionOptions;
  messageCount: number;
  /** Id of the agent's present conversation: the session's own at first, another after /clear. */
  conversationId: string;
  /** True once the agent has a transcript of the conversation, so that a new process must resume it. */
  hasTranscript: boolean;
  /** How many bytes of it are known to be this session's own; null if that was never checked. */
  transcriptSeen: number | null;
  forkedFrom: string | null;
  /** Id of the API key or of the person that created it; the key's budget pays for model calls through the gateway. */
  createdBy: string | null;
  /** Whose it is. Never changes. */
  tenant: string;
  /** The folder that the server made for it; null for one that was there before. */
  workspace: WorkspaceRecord | null;
  /** What its agent has placeholders for, by the name of the variable; null for none. */
  secrets: SecretRecords | null;
  /** Number of the newest event. */
  lastSeq: number;
}

export type SecretRecords = Readonly<Record<string, SecretRecord>>;

/** A secret of a session. Its value is not in it, but for one that only the server's key opens. */
export type SecretRecord = {
  /** What the agent sees. */
  placeholder: string;
  /** Where the value may go. */
  hosts: readonly string[];
} & ({ sealed: string } | { from: string });

/** A folder that the server made for a session, and what is saved of it. */
export interface WorkspaceRecord {
  /** Without credentials. */
  source: { git: string; ref: string | null } | { snapshot: string };
  saved: WorkspaceSave;
  /** Why the present state could not be saved. */
  problem: { code: string; message: string; at: string } | null;
  /** The server that was stopped before it could save the present state, which only its folder has. */
  onlyAt?: string | undefined;
}

/** One saved state of a workspace. */
export interface WorkspaceSave {
  /** Grows by one with each save. */
  version: number;
  at: string;
  object: SavedObject;
  /** A git state may need the commits of an earlier one. */
  base: SavedObject | null;
}

/** Where something is kept in the object store, and how to tell that it arrived whole. */
export interface SavedObject {
  key: string;
  bytes: number;
  sha256: string;
}

export interface TurnRecord {
  id: string;
  sessionId: string;
  state: TurnState;
  initiator: TurnInitiator;
  /** For a turn that the agent began by itself: the reason. */
  input: UserInput;
  idempotencyKey: string | null;
  /** Hash of the request body, to tell a retry from another request under the same key. */
  inputHash: string;
  waitFor: WaitFor;
  /** Sent with `when_busy: "interrupt"`: runs before all queued turns. */
  urgent: boolean;
  /** Sent with `when_busy: "steer"`, and given to this turn; null again if that ended before the agent took it. */
  steers: string | null;
  /** After a crash it went on, with a prompt under this id. */
  continuedAs: string | null;
  createdAt: string;
  startedAt: string | null;
  endedAt: string | null;
  /** With `waitFor: 'background'`: when its background work had ended too. */
  settledAt: string | null;
  result: TurnResult | null;
}

export interface PermissionRecord {
  id: string;
  sessionId: string;
  turnId: string | null;
  kind: PermissionKind;
  toolName: string;
  toolInput: Record<string, unknown>;
  toolUseId: string | null;
  agentId: string | null;
  suggestions: unknown[];
  title: string | null;
  description: string | null;
  decisionReason: string | null;
  blockedPath: string | null;
  /** It can wait without a process: the agent asks for the call again. */
  durable: boolean;
  defaultToNo: boolean;
  requestedAt: string;
  expiresAt: string | null;
  state: PermissionState;
  reason: PermissionReason | null;
  resolvedAt: string | null;
  /** Who answered; null if it ended without an answer. */
  resolvedBy: ResolvedBy | null;
  /** What the agent is told, for the process that asks for the call again. */
  decision: Decision | null;
}

/** A call of a hook or custom tool that waits for an answer. */
export interface CallRecord {
  id: string;
  sessionId: string;
  turnId: string | null;
  kind: PendingCall['kind'];
}

/** What the agent is told of a permission request that is settled. */
export type Decision =
  | { allowed: true; updatedInput?: Record<string, unknown>; applySuggestions: boolean }
  | { allowed: false; message: string; interrupt: boolean };

/** One conversation of a session: after /clear the agent begins another. */
export interface ConversationRecord {
  id: string;
  sessionId: string;
  /** Its events are those with a higher number, up to the next conversation's. */
  afterSeq: number;
  /** The agent had a transcript of it before this session's log began: a resume from disk, or a fork. */
  fromDisk: boolean;
}
