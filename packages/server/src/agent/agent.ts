import type {
  HistoryMessage,
  HookCall,
  McpServerState,
  PermissionMode,
  RewindResult,
  SessionOptions,
  ToolCall,
  UserInput,
} from 'claude-agent-protocol';
import type { PermissionRecord, UsageRow } from '../store/store.ts';

/** What a new agent process is started with. */
export interface StartOptions {
  sessionId: string;
  /** The agent's own id of what is said: the session's at first, another after /clear. */
  conversationId: string;
  cwd: string;
  /** undefined: the agent's own default. */
  model: string | undefined;
  permissionMode: PermissionMode;
  title: string | null;
  options: SessionOptions;
  /** True: go on with the conversation's transcript on disk. */
  resume: boolean;
  /** Dollars that the session has spent already, when it has a budget: the process gets the rest of it. */
  spentUsd: number;
  /** A call that waits since an earlier process (`parkable`): it is asked again, and its turn goes on. Needs `resume`. */
  parked?: ParkedCall;
}

/** A tool call whose permission outlives its process. */
export interface ParkedCall {
  turnId: string;
  toolUseId: string;
  /** What was said in the turn on its main thread, its prompt first, by the log. */
  said: readonly TranscriptMessage[];
}

/** What sessions have in common that can be had from the same spare process. */
export type SessionKind = Pick<StartOptions, 'model' | 'options'>;

/** A spare process, kept for a session that is being made. */
export interface Reservation {
  /** The session's id is the spare's: both must be told to `start`. */
  sessionId: string;
  /** The session was not made after all. */
  release(): void;
}

/** A tool (or a question) that waits for a human. */
export type Question = Pick<
  PermissionRecord,
  | 'kind'
  | 'toolName'
  | 'toolInput'
  | 'toolUseId'
  | 'agentId'
  | 'suggestions'
  | 'title'
  | 'description'
  | 'decisionReason'
  | 'blockedPath'
  | 'defaultToNo'
> & {
  /** It is the only call of a finished answer of the main thread: it may outlive the process (see `parkable`). */
  isAlone: boolean;
  /** Fires when the agent no longer wants to know. */
  signal: AbortSignal;
};

export type Decision =
  | { allowed: true; updatedInput?: Record<string, unknown>; applySuggestions: boolean }
  | { allowed: false; message: string; interrupt: boolean };

/** A hook to decide, or a tool of the caller's own to run. */
export type Call = (
  | Pick<HookCall, 'kind' | 'event' | 'index' | 'input' | 'tool_use_id'>
  | Pick<ToolCall, 'kind' | 'server' | 'name' | 'input' | 'tool_use_id'>
) & {
  /** Where to ask; undefined: whoever follows the session's events answers. */
  url: string | undefined;
  timeoutSeconds: number;
  /** Fires when the agent no longer wants to know. */
  signal: AbortSignal;
};

export type CallAnswer = { ok: true; answer: Record<string, unknown> } | { ok: false; message: string };

/** What model calls have used, by model. */
export interface Spent {
  spent: UsageRow[];
  /** `spent` is in the session's account already: the gateway booked each call. */
  isBooked: boolean;
}

/** How the agent says that a turn is over; what was spent is this turn's alone. */
export interface TurnEnd extends Spent {
  /** The turn's id, or null when the agent does not say. */
  turnId: string | null;
  /** The agent began this by itself: a background task reported, say. */
  ownInitiative: boolean;
  isError: boolean;
  /** Why, in the agent's own words, when it failed. */
  error: { code: string; message: string } | null;
  stopReason: string | null;
  numTurns: number;
  durationMs: number;
  usage: Record<string, unknown>;
  structuredOutput?: unknown;
}

/** Anything the agent process says, as its SDK gives it. */
export interface AgentMessage {
  type: string;
  [field: string]: unknown;
}

export interface AgentEvents {
  /** The agent has begun to work on a message; what it says from now on, until the end, is the answer. */
  onTaken(turnId: string): void;
  /** The agent begins a turn that no message asked for: it reports on a background task, say. */
  onOwnTurn(): void;
  /** The agent works, on whatever. */
  onBusy(): void;
  /** The agent has nothing to do, and nothing to report: what it says next begins with a turn. */
  onIdle(): void;
  /** A message to keep, verbatim; `end` is set on the one that ends a turn. */
  onMessage(message: AgentMessage, end: TurnEnd | undefined): void;
  /** A token delta: shown, not kept. */
  onDelta(message: AgentMessage): void;
  /** Asks a human; the promise may take as long as it takes. */
  onQuestion(question: Question): Promise<Decision>;
  /** Asks the caller's own program; never rejects. */
  onCall(call: Call): Promise<CallAnswer>;
  /** The permission mode changed from inside (a plan was approved, a suggestion applied). */
  onPermissionMode(mode: PermissionMode): void;
  /** The model was changed from inside (/model). */
  onModel(model: string): void;
  /** The conversation was named from inside (/rename). */
  onTitle(title: string): void;
  /** Where the agent works: as a process begins, and when it enters a worktree or comes back (null). */
  onFolder(folder: string | null): void;
  /** The agent goes on under this conversation id: another one after /clear, or when a plan starts afresh. */
  onConversation(conversationId: string, trigger: string): void;
  /** The process is gone, whatever the cause; nothing follows. `cut` is as of AgentProcess.cut. */
  onExit(exit: { code: number | null; signal: string | null; words: string; cut: Spent }): void;
}

/** A live agent process: a warm cache of one session. */
export interface AgentProcess {
  readonly pid: number | undefined;
  /** Hands over one message; its id comes back in the TurnEnd. */
  send(turnId: string, input: UserInput): void;
  /**
   * Stops the turn that runs; background tasks go on. `all` also drops what the agent has not begun yet: a report on
   * tasks that ended, and messages. The ids of those come back: no TurnEnd will name them.
   */
  interrupt(options: { all: boolean }): Promise<string[]>;
  setModel(model: string | undefined): Promise<void>;
  setPermissionMode(mode: PermissionMode): Promise<void>;
  serverInfo(): Promise<Record<string, unknown> & { commands: unknown[]; output_style: string }>;
  contextUsage(): Promise<Record<string, unknown>>;
  commands(): Promise<unknown[]>;
  models(): Promise<unknown[]>;
  agents(): Promise<unknown[]>;
  /** Every MCP server and how it is connected; without the secrets in its configuration. */
  mcpServers(): Promise<McpServerState[]>;
  reconnectMcp(name: string): Promise<void>;
  toggleMcp(name: string, enabled: boolean): Promise<void>;
  /** Ends a background task; the agent then reports that it was stopped. */
  stopTask(taskId: string): Promise<void>;
  rewindFiles(messageId: string, dryRun: boolean): Promise<RewindResult>;
  /**
   * What model calls were reported to have used and no TurnEnd told of: for a turn that is cut. The process is ended
   * after it: what it still spends is not counted any more.
   */
  cut(): Promise<Spent>;
  /** Ends the process and everything that it started; settles when they are gone. */
  close(): Promise<void>;
}

/** A message in a transcript, as far as the agent keeps it. */
export type TranscriptMessage = Pick<HistoryMessage, 'uuid' | 'type' | 'message' | 'parent_tool_use_id'>;

/** A conversation on disk. */
export interface Transcript {
  conversationId: string;
  modified: Date;
  /** The title that the user gave it, or the first thing that was said. */
  preview: string;
  /** As the user named it, or the agent by itself. */
  title: string | null;
  cwd: string | null;
  path: string;
  size: number;
}

export interface TranscriptLook {
  size: number;
  /** Ids of the prompts of humans in what is new. */
  prompts: string[];
  /** A living process of the agent that has the conversation open, by its own register. */
  holder: number | undefined;
}

export interface TranscriptQuery {
  /** Only what began in this folder. */
  cwd?: string | undefined;
  /** Only what began in one of these folders, or below. */
  roots: readonly string[];
  /** Ids of conversations to leave out. */
  without: readonly string[];
  limit: number;
  offset: number;
  /** What a page before gave as `next`. */
  cursor?: string | undefined;
}

/** What the rest of the server knows of an agent. `claude/` is the one that is real. */
export interface Agent {
  /**
   * Starts a process and waits until it is ready; `signal` gives that up.
   * @throws Error with the agent's own words when it does not start
   */
  start(options: StartOptions, events: AgentEvents, signal: AbortSignal): Promise<AgentProcess>;
  /**
   * Keeps a process that was started ahead for a session that is being made; `start` with its id then takes a third of
   * the time. Undefined when none fits. Sessions of the same kind are expected next.
   */
  reserve(session: SessionKind): Reservation | undefined;
  /** Sessions of this kind are expected: processes for them may start ahead. */
  expect(session: SessionKind): void;
  /** Everything on disk that can be resumed, newest first. */
  transcripts(
    query: TranscriptQuery,
  ): Promise<{ transcripts: Transcript[]; total: number; next: string | null }>;
  transcript(conversationId: string): Promise<Transcript | undefined>;
  /**
   * What has come into a transcript behind `from` bytes; null looks at nothing.
   * @returns undefined when there is no such transcript
   */
  look(conversationId: string, from: number | null): Promise<TranscriptLook | undefined>;
  /** Writes a transcript that is gone anew. @throws when it cannot be written */
  restore(conversation: { id: string; cwd: string }, messages: readonly TranscriptMessage[]): Promise<void>;
  /** What a transcript holds: since its last compaction only. */
  history(conversationId: string): Promise<TranscriptMessage[]>;
  /** Copies a conversation; gives the new id. */
  fork(
    sessionId: string,
    options: { upToMessageId?: string | undefined; title?: string | undefined },
  ): Promise<string>;
  rename(sessionId: string, title: string): Promise<void>;
  /**
   * Whether a call that waits for a permission can be asked again by another process.
   * @param said what was said in the call's turn on its main thread, by the log
   */
  parkable(toolUseId: string, said: readonly Pick<TranscriptMessage, 'type' | 'message'>[]): boolean;
  /** Ends what a dead server of this home left behind. Gives the number of processes ended. */
  sweep(): Promise<number>;
  /** Ends what helps; sessions' processes are ended by themselves. */
  close(): Promise<void>;
}
