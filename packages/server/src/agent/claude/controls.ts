import type { Query, RewindFilesResult } from '@anthropic-ai/claude-agent-sdk';
import { messageOf } from '../../errors.ts';
import type { AgentProcess } from '../agent.ts';

/** `interrupt` takes this on 0.3.330, though its types do not say so. */
interface Interruptible {
  interrupt(options?: { cancelQueued: boolean }): Promise<{ cancelled?: string[] } | undefined>;
}

/** What can be asked of a process besides its messages. */
export function controls(sdk: Query): Omit<AgentProcess, 'pid' | 'send' | 'cut' | 'close'> {
  return {
    async interrupt({ all }) {
      const receipt = await (sdk as Interruptible).interrupt(all ? { cancelQueued: true } : undefined);
      return receipt?.cancelled ?? [];
    },
    setModel: (model) => sdk.setModel(model),
    setPermissionMode: (mode) => sdk.setPermissionMode(mode),
    async serverInfo() {
      const { pid: _, ...info } = { pid: undefined, ...(await sdk.initializationResult()) };
      return { ...info, commands: info.commands, output_style: info.output_style };
    },
    stopTask: (taskId) => sdk.stopTask(taskId),
    contextUsage: async () => ({ ...(await sdk.getContextUsage()) }),
    async rewindFiles(messageId, dryRun) {
      const result = await sdk
        .rewindFiles(messageId, { dryRun })
        .catch((error: unknown) => ({ canRewind: false, error: messageOf(error) }) as RewindFilesResult);
      return {
        can_rewind: result.canRewind,
        error: result.error ?? null,
        files_changed: result.filesChanged ?? [],
        insertions: result.insertions ?? 0,
        deletions: result.deletions ?? 0,
      };
    },
  };
}
