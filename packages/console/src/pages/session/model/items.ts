import type {
  InterruptReason,
  PermissionReason,
  PermissionRequest,
  PermissionState,
  ResolvedBy,
  TurnError,
  TurnInitiator,
  TurnOutcome,
  TurnResult,
  UserInput,
} from 'claude-agent-protocol';

/** Where an item stands: the event that it comes from, and its place among the items of that event. */
export interface Place {
  seq: number;
  part: number;
}

interface Common extends Place {
  /** Identity on the screen: a block keeps the one that it had while it was written. Says nothing about content. */
  key: string;
  turnId: string | null;
}

export interface ToolResult {
  /** The text that the model was given. */
  text: string;
  images: readonly ImageSource[];
  isError: boolean;
  /** The tool's own structured output, where the SDK gives it: the patch of an edit, for example. */
  details: unknown;
  /** The event that brought it. */
  seq: number;
}

/** An image as Anthropic's format has it. */
export type ImageSource = { kind: 'data'; mediaType: string; data: string } | { kind: 'url'; url: string };

export interface PromptItem extends Common {
  kind: 'prompt';
  at: string;
  initiator: TurnInitiator;
  /** Undefined while the event that brought it is not loaded. */
  message: UserInput | undefined;
  /** It was given to a turn that was already running. */
  steered: boolean;
}

export interface TextItem extends Common {
  kind: 'text';
  text: string;
}

export interface ThinkingItem extends Common {
  kind: 'thinking';
  text: string;
}

export interface ToolItem extends Common {
  kind: 'tool';
  id: string;
  name: string;
  input: Readonly<Record<string, unknown>>;
  result: ToolResult | undefined;
}

/** Why a request no longer waits. */
export interface Resolution {
  state: PermissionState;
  reason: PermissionReason;
  message: string | null;
  by: ResolvedBy | null;
}

export interface PermissionItem extends Common {
  kind: 'permission';
  request: PermissionRequest;
  resolution: Resolution | undefined;
}

export interface EndItem extends Common {
  kind: 'end';
  at: string;
  outcome: TurnOutcome;
  result: TurnResult;
  error: TurnError | undefined;
  reason: InterruptReason | undefined;
  /** The message of a turn that ended before it began: it was taken back, or the session was closed. */
  unsent: UserInput | undefined;
}

/** News of the session or its agent that belong into the conversation. */
export type Notice =
  | { type: 'compacted' }
  | { type: 'parked' }
  | { type: 'resumed' }
  | { type: 'continued'; reason: string }
  | { type: 'conversation'; trigger: string; restored: number | undefined }
  | { type: 'workspace'; action: string; problem: string | undefined }
  | { type: 'closed' }
  | { type: 'command_output'; text: string }
  | { type: 'api_retry'; attempt: number; most: number };

export interface NoticeItem extends Common {
  kind: 'notice';
  notice: Notice;
}

/** One row of the conversation. Never changed: an item that learns something new is replaced. */
export type Item = PromptItem | TextItem | ThinkingItem | ToolItem | PermissionItem | EndItem | NoticeItem;

export const byPlace = (a: Place, b: Place): number => a.seq - b.seq || a.part - b.part;

/** A block that is being written: only the stream has it, the log gets it when it is finished. */
export interface OpenBlock {
  key: string;
  /** The tool call that started the subagent which writes it; null for the main agent. */
  parent: string | null;
  messageId: string;
  index: number;
  type: string;
  /** Text, thinking, or the JSON of a tool's input so far. */
  text: string;
  toolName: string | undefined;
  toolId: string | undefined;
}
