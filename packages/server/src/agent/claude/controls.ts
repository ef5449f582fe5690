import type { Query, RewindFilesResult } from '@anthropic-ai/claude-agent-sdk';
import { messageOf } from '../../errors.ts';
import type { AgentProcess } from '../agent.ts';

/** `interrupt` takes this in 0.3.330, but its types do not say so. */
interface Interruptible {
  interrupt(options?: { cancelQueued: boolean }): Promise<{ cancelled?: string[] } | undefined>;
}

/** Exists in 0.3.330, but not in its types. */
interface Cancellable {
  cancelAsyncMessage(uuid: string): Promise<boolean>;
}

/** The control requests of a process. */
export function controls(
  sdk: Query,
): Omit<AgentProcess, 'pid' | 'send' | 'cut' | 'close' | 'kill' | 'setModel'> {
  return {
    async interrupt({ all }) {
      const receipt = await (sdk as Interruptible).interrupt(all ? { cancelQueued: true } : undefined);
      return receipt?.cancelled ?? [];
    },
    withdraw: (turnId) => (sdk as unknown as Cancellable).cancelAsyncMessage(turnId),
    setPermissionMode: (mode) => sdk.setPermissionMode(mode),
    async serverInfo() {
      const { pid: _, ...info } = { pid: undefined, ...(await sdk.initializationResult()) };
      return { ...info, commands: info.commands, output_style: info.output_style };
    },
    commands: () => sdk.supportedCommands(),
    models: () => sdk.supportedModels(),
    agents: () => sdk.supportedAgents(),
    async mcpServers() {
      const servers = await sdk.mcpServerStatus();
      return servers.map(({ config, ...server }) => ({
        ...server,
        ...(config && { config: withoutSecrets({ ...config }) }),
      }));
    },
    reconnectMcp: (name) => sdk.reconnectMcpServer(name),
    toggleMcp: (name, enabled) => sdk.toggleMcpServer(name, enabled),
    stopTask: (taskId) => sdk.stopTask(taskId),
    contextUsage: async () => ({ ...(await sdk.getContextUsage()) }),
    async rewindFiles(messageId, dryRun) {
      const ask = (options: { dryRun: boolean }): Promise<RewindFilesResult> =>
        sdk
          .rewindFiles(messageId, options)
          .catch((error: unknown) => ({ canRewind: false, error: messageOf(error) }));
      // Only a dry run names the files; the real rewind reports success and nothing else.
      const planned = await ask({ dryRun: true });
      const done = dryRun || !planned.canRewind ? planned : await ask({ dryRun: false });
      return {
        can_rewind: done.canRewind,
        error: done.error ?? null,
        files_changed: done.canRewind ? (planned.filesChanged ?? []) : [],
        insertions: done.canRewind ? (planned.insertions ?? 0) : 0,
        deletions: done.canRewind ? (planned.deletions ?? 0) : 0,
      };
    },
  };
}

/** Secrets of MCP servers are in environment and headers; they do not belong in command lines and addresses. */
function withoutSecrets({
  env: _,
  headers: __,
  ...config
}: Record<string, unknown>): Record<string, unknown> {
  return config;
}
