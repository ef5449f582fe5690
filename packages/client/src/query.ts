import type { McpServerState, PermissionMode } from 'claude-agent-protocol';
import type { AgentMessage } from './agent-message.ts';
import { AgentClient } from './client.ts';
import { environmentDefaults } from './defaults.ts';
import type { QueryOptions, UserPrompt } from './query-options.ts';
import type { AgentSession } from './session.ts';

/** The agent's messages, one after the other, and the calls that are possible while it runs; the agent SDK's own shape. */
export interface Query extends AsyncGenerator<AgentMessage, void> {
  interrupt(): Promise<void>;
  setModel(model?: string): Promise<void>;
  setPermissionMode(mode: PermissionMode): Promise<void>;
  supportedCommands(): Promise<unknown[]>;
  supportedModels(): Promise<unknown[]>;
  initializationResult(): Promise<Record<string, unknown>>;
  mcpServerStatus(): Promise<McpServerState[]>;
  reconnectMcpServer(serverName: string): Promise<void>;
  toggleMcpServer(serverName: string, enabled: boolean): Promise<void>;
  getContextUsage(): Promise<Record<string, unknown>>;
  rewindFiles(
    userMessageId: string,
    options?: { dryRun?: boolean },
  ): Promise<{
    canRewind: boolean;
    error?: string;
    filesChanged: string[];
    insertions: number;
    deletions: number;
  }>;
  /** The session on the server: everything else that can be done with it. */
  session(): Promise<AgentSession>;
}

/**
 * Runs a prompt on the server and yields the SDK's own messages. A program written for the agent SDK's `query()`
 * moves from in-process to remote by importing this one instead.
 */
export function query({
  prompt,
  options = {},
}: {
  prompt: string | AsyncIterable<UserPrompt>;
  options?: QueryOptions;
}): Query {
  const defaults = environmentDefaults();
  const client = new AgentClient({
    baseUrl: options.server ?? defaults.server,
    apiKey: options.apiKey ?? defaults.apiKey,
  });
  const failed = new AbortController();
  // Loaded with the first query: a program that only imports the client need not wait for it.
  const running = import('./query-run.ts');
  const starting = running.then(({ startQuery }) =>
    startQuery(client, options, (error) => failed.abort(error)),
  );
  const opening = starting.then(({ session }) => session);
  // Nobody may be waiting yet; the error comes out of the first `next()`.
  opening.catch(() => undefined);

  async function* messages(): AsyncGenerator<AgentMessage, void> {
    const started = await starting;
    yield* (await running).runQuery(started, failed, prompt, options);
  }

  return Object.assign(messages(), {
    session: () => opening,
    interrupt: async () => (await opening).interrupt(),
    setModel: async (model?: string) => (await opening).setModel(model ?? null),
    setPermissionMode: async (mode: PermissionMode) => (await opening).setMode(mode),
    supportedCommands: async () => (await (await opening).serverInfo()).commands,
    supportedModels: async () => {
      const { models } = await (await opening).serverInfo();
      return Array.isArray(models) ? models : [];
    },
    initializationResult: async () => (await opening).serverInfo(),
    mcpServerStatus: async () => (await opening).mcpServers(),
    reconnectMcpServer: async (name: string) => (await opening).reconnectMcp(name),
    toggleMcpServer: async (name: string, enabled: boolean) => (await opening).toggleMcp(name, enabled),
    getContextUsage: async () => (await opening).context(),
    rewindFiles: async (userMessageId: string, rewind?: { dryRun?: boolean }) => {
      const done = await (await opening).rewind(userMessageId, rewind);
      return {
        canRewind: done.can_rewind,
        filesChanged: done.files_changed,
        insertions: done.insertions,
        deletions: done.deletions,
        ...(done.error !== null && { error: done.error }),
      };
    },
  });
}
