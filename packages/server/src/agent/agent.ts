import type {
  EventData,
  HistoryMessage,
  HookCall,
  McpServerState,
  PermissionMode,
  RewindResult,
  SessionOptions,
  ToolCall,
  UserInput,
} from 'claude-agent-protocol';
import type { Decision, PermissionRecord, Scope, SessionRecord, UsageRow } from '../store/store.ts';
import type { SessionSecret } from './secrets/placeholders.ts';

/** What a new agent process is started with. */
export interface StartOptions {
  sessionId: string;
  tenant: string;
  /** The agent's own id of the conversation: the session's at first, another after /clear. */
  conversationId: string;
  cwd: string;
  /** undefined: the agent's own default. */
  model: string | undefined;
  permissionMode: PermissionMode;
  title: string | null;
  options: SessionOptions;
  /** What it has placeholders for. They are values: never shown. */
  secrets?: readonly SessionSecret[] | undefined;
  /** True: resume the conversation's transcript on disk. */
  resume: boolean;
  /** Dollars that the session has spent so far, if it has a budget: the process gets the rest. */
  spentUsd: number;
  /** A call parked by an earlier process (see `parkable`): the agent asks for it again and its turn continues. Needs `resume`. */
  parked?: ParkedCall;
  /** A turn that an earlier process left: what that did not write to the transcript comes from the log. Needs `resume`. */
  continued?: Pick<ParkedCall, 'said'>;
}

/** A tool call whose permission outlives its process. */
export interface ParkedCall {
  turnId: string;
  toolUseId: string;
  /** The turn's messages on the main thread as logged, the prompt first. */
  said: readonly TranscriptMessage[];
}

/** What sessions have in common that can be had from the same spare process. */
export type SessionKind = Pick<StartOptions, 'model' | 'options' | 'cwd' | 'tenant'>;

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
  /** The only call of a finished answer on the main thread: it may outlive the process (see `parkable`). */
  isAlone: boolean;
  /** Fires when the agent withdraws the request. */
  signal: AbortSignal;
};

export type { Decision };

/** A hook for the caller to decide, or one of the caller's tools to run. */
export type Call = (
  | Pick<HookCall, 'kind' | 'event' | 'index' | 'input' | 'tool_use_id'>
  | Pick<ToolCall, 'kind' | 'server' | 'name' | 'input' | 'tool_use_id'>
) & {
  /** The address to call; undefined: a subscriber of the session's events answers. */
  url: string | undefined;
  timeoutSeconds: number;
  /** Fires when the agent withdraws the request. */
  signal: AbortSignal;
};

export type CallAnswer = { ok: true; answer: Record<string, unknown> } | { ok: false; message: string };

/** Usage of model calls, by model. */
export interface Spent {
  spent: UsageRow[];
  /** True when the gateway has already booked each call to the session's account. */
  isBooked: boolean;
}

/** The end of a turn as the agent reports it. `spent` covers this turn only. */
export interface TurnEnd extends Spent {
  /** The turn's id, or null when the agent does not name one. */
  turnId: string | null;
  /** The agent began this turn by itself, for example to report on a background task. */
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

/** A message from the agent process, as its SDK delivers it. */
export type AgentMessage = EventData<'agent.message'>;

/** A process that is starting and already takes messages: it begins them when it is ready. */
export interface OpenProcess {
  send: AgentProcess['send'];
  /** It was started ahead and answers: all that remains is that it becomes the session's. */
  isSpare: boolean;
}

export interface AgentEvents {
  /** The process takes messages from now on; `start` settles when it is ready. At most once a start. */
  onOpen(process: OpenProcess): void;
  /** The agent has started on a message; everything until the turn's end is its answer. */
  onTaken(turnId: string): void;
  /** The agent begins a turn that no message asked for, such as a report on a background task. */
  onOwnTurn(): void;
  /** The agent is working. */
  onBusy(): void;
  /** The agent has nothing to do and nothing to report: the next thing it does starts a turn. */
  onIdle(): void;
  /** A message to keep, verbatim; `end` is set on the one that ends a turn. */
  onMessage(message: AgentMessage, end: TurnEnd | undefined): void;
  /** A token delta: shown, not kept. */
  onDelta(message: AgentMessage): void;
  /** Asks a human; there is no limit on how long the promise may take. */
  onQuestion(question: Question): Promise<Decision>;
  /** Asks the caller's program; never rejects. */
  onCall(call: Call): Promise<CallAnswer>;
  /** Before a tool call of a session whose calls must be recorded first; the call waits for it. */
  onBeforeCall(toolUseId: string): Promise<void>;
  /** The permission mode changed inside the agent (a plan was approved, a suggestion applied). */
  onPermissionMode(mode: PermissionMode): void;
  /** The model changed inside the agent (/model). */
  onModel(model: string): void;
  /** The conversation was renamed inside the agent (/rename). */
  onTitle(title: string): void;
  /** The working folder: at the start, and when the agent enters a worktree or leaves it (null). */
  onFolder(folder: string | null): void;
  /** The agent continues under this conversation id: a new one after /clear, or when a plan starts with a clean context. */
  onConversation(conversationId: string, trigger: string): void;
  /** The process has exited, for whatever reason; no event follows. `cut` is the result of AgentProcess.cut. */
  onExit(exit: {
    code: number | null;
    signal: string | null;
    words: string;
    /** Why the server ended it, if it took more than a session may. */
    stopped?: string | undefined;
    cut: Spent;
    /** Messages that it had taken, by its transcript, without an `onTaken`. */
    taken: readonly string[];
  }): void;
}

/** A running agent process. Everything in it can be rebuilt from the session's log and transcript. */
export interface AgentProcess {
  readonly pid: number | undefined;
  /** Passes on one message; its id comes back in the TurnEnd. */
  send(turnId: string, input: UserInput): void;
  /**
   * Stops the running turn; background tasks continue. `all` also drops what the agent has not started: reports on
   * finished tasks, and messages. Returns the ids of those messages: no TurnEnd will name them.
   */
  interrupt(options: { all: boolean }): Promise<string[]>;
  /** Takes back a message that the agent has not begun; false when it has. */
  withdraw(turnId: string): Promise<boolean>;
  setModel(model: string | undefined): Promise<void>;
  setPermissionMode(mode: PermissionMode): Promise<void>;
  serverInfo(): Promise<Record<string, unknown> & { commands: unknown[]; output_style: string }>;
  contextUsage(): Promise<Record<string, unknown>>;
  commands(): Promise<unknown[]>;
  models(): Promise<unknown[]>;
  agents(): Promise<unknown[]>;
  /** Every MCP server and its connection, without the secrets in its configuration. */
  mcpServers(): Promise<McpServerState[]>;
  reconnectMcp(name: string): Promise<void>;
  toggleMcp(name: string, enabled: boolean): Promise<void>;
  /** Stops a background task; the agent then reports that it was stopped. */
  stopTask(taskId: string): Promise<void>;
  rewindFiles(messageId: string, dryRun: boolean): Promise<RewindResult>;
  /**
   * Usage that model calls reported and no TurnEnd has covered, for a turn that is cut off. End the process after
   * this: what it spends later is not counted.
   */
  cut(): Promise<Spent>;
  /** Ends the process and everything it started; resolves when they are gone. */
  close(): Promise<void>;
  /** The same at once: the process writes nothing more, so that a call that waits can be asked again. */
  kill(): Promise<void>;
}

/** The fields of a transcript message that the agent keeps. */
export type TranscriptMessage = Pick<HistoryMessage, 'uuid' | 'type' | 'message' | 'parent_tool_use_id'>;

/** A file of a conversation. */
export interface ConversationFile {
  conversationId: string;
  /** Below the folder of its project: `<id>.jsonl`, `<id>/subagents/…`. */
  path: string;
  /** A long file comes in several parts, in order; 0 is its beginning. */
  part: number;
  text: string;
}

/** A conversation of a session. */
export interface StoredConversation {
  sessionId: string;
  conversationId: string;
}

/** A conversation on disk. */
export interface Transcript {
  conversationId: string;
  modified: Date;
  /** The user's title, or the first prompt. */
  preview: string;
  /** Given by the user, or generated by the agent. */
  title: string | null;
  cwd: string | null;
}

export interface TranscriptLook {
  size: number;
  /** Ids of the human prompts in the new part. */
  prompts: string[];
  /** A live agent process that has the conversation open, according to the agent's own registry. */
  holder: number | undefined;
}

export interface TranscriptQuery {
  /** Of those that the store has: whose sessions. */
  scope: Scope;
  /** Only conversations that began in this folder. */
  cwd?: string | undefined;
  /** Only conversations that began in or below one of these folders. */
  roots: readonly string[];
  /** Ids of conversations to leave out. */
  without: readonly string[];
  /** Only these conversations. */
  only?: readonly string[] | undefined;
  limit: number;
  offset: number;
  /** `next` of the previous page. */
  cursor?: string | undefined;
}

/** What the rest of the server knows about an agent. `claude/` implements it. */
export interface Agent {
  /**
   * Starts a process and waits until it is ready; `signal` aborts the start. A message that was sent before that is lost
   * with a start that fails: no agent began it.
   * @throws Error with the agent's own message when it does not start
   */
  start(options: StartOptions, events: AgentEvents, signal: AbortSignal): Promise<AgentProcess>;
  /**
   * Keeps a process that was started ahead for a session that is being made; `start` with its id then takes a third of
   * the time. Undefined when none fits. Sessions of the same kind are expected next.
   */
  reserve(session: SessionKind): Reservation | undefined;
  /** Sessions of this kind are expected: processes for them may start ahead. */
  expect(session: SessionKind): void;
  /** Keeps no more processes ready than this, for now; settles when the others are gone. */
  limitSpares(atMost: number): Promise<void>;
  /** The resumable conversations on disk, newest first. */
  transcripts(
    query: TranscriptQuery,
  ): Promise<{ transcripts: Transcript[]; total: number; next: string | null }>;
  transcript(conversationId: string): Promise<Transcript | undefined>;
  /**
   * What was appended to a transcript after `from` bytes; null reads nothing.
   * @param isLive a process of ours has it open: no other holder is looked for
   * @returns undefined when there is no such transcript
   */
  look(conversationId: string, from: number | null, isLive: boolean): Promise<TranscriptLook | undefined>;
  /** Rebuilds a lost transcript. @throws when it cannot be written */
  restore(conversation: { id: string; cwd: string }, messages: readonly TranscriptMessage[]): Promise<void>;
  /**
   * Ids of the newest turns, oldest first, of which the stored transcript may not have everything: this server, or
   * another, was killed before it had stored that. Empty where no other server needs it.
   */
  behind(conversation: StoredConversation): Promise<string[]>;
  /** Adds what a transcript lacks of these messages, which end it. @throws when it cannot be written */
  complete(
    conversation: Pick<SessionRecord, 'cwd' | 'permissionMode'> & { id: string },
    said: readonly TranscriptMessage[],
  ): Promise<void>;
  /**
   * Settles when other servers have the conversation as it is now.
   * @throws when that is impossible
   */
  keep(conversation: StoredConversation): Promise<void>;
  /** Other servers have all conversations of the session as they are. */
  isKept(sessionId: string): boolean;
  /** The messages of a transcript since its last compaction. */
  history(conversationId: string): Promise<TranscriptMessage[]>;
  /** Copies a conversation and returns the new id. */
  fork(
    sessionId: string,
    options: { upToMessageId?: string | undefined; title?: string | undefined },
  ): Promise<string>;
  rename(sessionId: string, title: string): Promise<void>;
  /** The files that another machine needs to resume a conversation: its transcript, and what belongs to it. */
  files(conversationId: string): AsyncGenerator<ConversationFile, void, void>;
  /**
   * Copies such files from a folder, for a session in `cwd`; those that exist stay as they are.
   * @returns what removes the copies again
   * @throws when one cannot be written; none is there then
   */
  addFiles(cwd: string, from: string): Promise<() => Promise<void>>;
  /**
   * Deletes everything that the agent keeps of conversations, and of a session.
   * @throws when a file cannot be deleted
   */
  erase(conversationIds: readonly string[], sessionId?: string): Promise<void>;
  /**
   * Whether another process can ask again for a call that waits for a permission.
   * @param said the messages of the call's turn on the main thread, as logged
   */
  parkable(toolUseId: string, said: readonly Pick<TranscriptMessage, 'type' | 'message'>[]): boolean;
  /** Those of these messages that the agent has taken, by the transcript of the conversation. */
  taken(conversationId: string, messageIds: readonly string[]): Promise<string[]>;
  /** Ends processes that a dead server of this home left behind. Returns their number. */
  sweep(): Promise<number>;
  /** Ends the helpers; the sessions end their own processes. */
  close(): Promise<void>;
}
