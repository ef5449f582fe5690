import type {
  BackgroundTask,
  PermissionMode,
  PermissionRequest,
  SessionState,
  UserInput,
} from 'claude-agent-protocol';
import type { Item, ToolCall } from './items.ts';
import type { OpenBlock } from './open-block.ts';

export interface RunningTurn {
  id: string;
  startedAt: number;
  /** Its place among the turns that wait for an agent process, 1 for the next; 0 when it has one. */
  position: number;
  /** Tokens of the answers that are complete; the one being written is estimated. */
  outputTokens: number;
  inputTokens: number;
}

/** What the screen shows of a session. A pure function of the frames seen so far. */
export interface ViewState {
  lastSeq: number;
  state: SessionState;
  model: string | null;
  mode: PermissionMode;
  title: string | null;
  cwd: string;
  turn: RunningTurn | undefined;
  /** The turn that ended last. */
  endedTurn: string | undefined;
  queued: readonly { turnId: string; message: UserInput }[];
  blocks: readonly OpenBlock[];
  /** Id of the model answer that is being streamed. */
  messageId: string;
  /** Tool calls that are not in the scrollback yet, in the order they were made. */
  tools: readonly ToolCall[];
  permissions: readonly PermissionRequest[];
  /** What the agent does in the background. */
  tasks: readonly BackgroundTask[];
  /** What the agent says it is doing besides, such as compacting or retrying. */
  status: string | undefined;
  costUsd: number;
  /** Turns seen so far. */
  turns: number;
  /** Slash commands that the agent itself knows. */
  agentCommands: readonly string[];
  /** Undefined until the agent has reported them. */
  mcpServers: readonly McpServer[] | undefined;
}

export interface McpServer {
  name: string;
  status: string;
  tools: string[];
}

export const emptyView: ViewState = {
  lastSeq: 0,
  state: 'idle',
  model: null,
  mode: 'default',
  title: null,
  cwd: '',
  turn: undefined,
  endedTurn: undefined,
  queued: [],
  blocks: [],
  messageId: '',
  tools: [],
  permissions: [],
  tasks: [],
  status: undefined,
  costUsd: 0,
  turns: 0,
  agentCommands: [],
  mcpServers: undefined,
};

/** The background work that ends by itself one day; a watcher that never does is not worth a line. */
export const tasksOf = (view: ViewState): readonly BackgroundTask[] =>
  view.tasks.filter((task) => !task.ambient);

export interface Reduced {
  view: ViewState;
  /** What the frame adds to the scrollback. */
  items: Item[];
}
