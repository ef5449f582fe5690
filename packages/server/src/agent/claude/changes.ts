import type { Query } from '@anthropic-ai/claude-agent-sdk';
import type { AgentEvents, AgentMessage } from '../agent.ts';

/** `getSettings` exists in 0.3.330 (3 ms) but not in its types. */
interface WithSettings {
  getSettings?(): Promise<{ applied?: { model?: unknown } }>;
}

/** A frozen process never answers. */
const ANSWER_WITHIN_MS = 2_000;

const MOVES = new Set(['EnterWorktree', 'ExitWorktree']);

export interface Changes {
  /** The process is ready: its current settings are the baseline. */
  begin(): void;
  see(message: AgentMessage): void;
  /** Call this before a turn's end is reported, so that its waiters see the change. */
  atEnd(turn: { num_turns: number }): Promise<void>;
  /** The server itself sets the model: not a change to report. */
  setModel(model: string | undefined): Promise<void>;
}

/** Detects changes made inside a process, not through this server: by /model, /rename or a tool. */
export function createChanges(sdk: Query, events: AgentEvents): Changes {
  let known: Promise<string | undefined> = Promise.resolve(undefined);
  let isFirst = true;
  /** Tool calls that move the session to another folder. */
  const moves = new Set<unknown>();

  const applied = async (): Promise<string | undefined> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), ANSWER_WITHIN_MS);
    });
    const asked = (sdk as WithSettings).getSettings?.().catch(() => undefined);
    const model = (await Promise.race([asked, late]))?.applied?.model;
    clearTimeout(timer);
    return typeof model === 'string' ? model : undefined;
  };

  const seeCalls = (message: AgentMessage): void => {
    if (message.parent_tool_use_id !== null) return;
    for (const { type, name, id } of blocksOf(message)) {
      if (type === 'tool_use' && MOVES.has(String(name))) moves.add(id);
    }
  };
  const seeResults = (message: AgentMessage): void => {
    const isMove = blocksOf(message).some(({ tool_use_id }) => moves.delete(tool_use_id));
    // Undefined when the move failed; leaving a worktree reports both folders.
    const { worktreePath, originalCwd } = Object(message.tool_use_result) as Record<string, unknown>;
    if (!isMove || typeof worktreePath !== 'string') return;
    events.onFolder(originalCwd === undefined ? worktreePath : null);
  };

  return {
    begin() {
      known = applied();
    },
    see(message) {
      if (message.type === 'assistant') seeCalls(message);
      if (message.type === 'user' && moves.size > 0) seeResults(message);
      if (message.type !== 'system') return;
      if (message.subtype === 'session_title_changed' && typeof message.title === 'string')
        events.onTitle(message.title);
      // A resumed process returns to its worktree by itself. Later, `cwd` follows every `cd` in Bash (measured).
      if (message.subtype === 'init' && isFirst) {
        isFirst = false;
        events.onFolder(String(message.cwd));
      }
    },
    async atEnd({ num_turns: calls }) {
      // Commands such as /model end without a model call.
      if (calls > 0) return;
      const [before, after] = await Promise.all([known, applied()]);
      if (after === undefined) return;
      known = Promise.resolve(after);
      if (before !== undefined && before !== after) events.onModel(after);
    },
    async setModel(model) {
      await sdk.setModel(model);
      known = applied();
    },
  };
}

function blocksOf(message: AgentMessage): Record<string, unknown>[] {
  const content: unknown = (message.message as { content?: unknown } | undefined)?.content;
  return Array.isArray(content) ? (content as Record<string, unknown>[]) : [];
}
