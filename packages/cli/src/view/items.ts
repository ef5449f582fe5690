import type {
  InterruptReason,
  PermissionReason,
  PermissionRequest,
  PermissionState,
  TurnError,
  TurnOutcome,
  TurnResult,
  UserInput,
} from 'claude-agent-protocol';

/** A tool call of the agent, from its announcement to its result. */
export interface ToolCall {
  id: string;
  name: string;
  input: Record<string, unknown>;
  result: ToolResult | undefined;
  /** How many tools a subagent that this call started has used, and the latest of them. */
  steps: number;
  lastStep: { name: string; input: Record<string, unknown> } | undefined;
}

export interface ToolResult {
  text: string;
  isError: boolean;
  /** The tool's own structured output, where the SDK gives it: a patch of an edit, for example. */
  details: unknown;
}

/** Something that is final and goes to the scrollback. */
export type Item =
  | { kind: 'user'; message: UserInput }
  /** The agent begins a turn by itself: what made it. */
  | { kind: 'own'; message: UserInput | undefined }
  /** A chunk of an answer: whole Markdown blocks. `first` begins the answer. */
  | { kind: 'text'; text: string; first: boolean }
  | { kind: 'thinking'; text: string }
  | { kind: 'tool'; call: ToolCall }
  | { kind: 'settled'; request: PermissionRequest; state: PermissionState; reason: PermissionReason }
  | {
      kind: 'end';
      outcome: TurnOutcome;
      result: TurnResult;
      error: TurnError | undefined;
      reason: InterruptReason | undefined;
    }
  | { kind: 'notice'; level: 'info' | 'warning' | 'error'; text: string };
