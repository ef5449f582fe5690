import type { AgentMessage } from '../agent/agent.ts';
import { isObject } from '../is-object.ts';

/** The agent announces a call before it makes it; a call that is made again after a restart was announced long ago. */
const ANNOUNCED_WITHIN_MS = 2_000;
/** Calls that are remembered: an answer has a few, and they are made one after the other. */
const REMEMBERED = 200;

/** Tells when a tool call stands in the log, so that it can wait for that. */
export interface CallRecords {
  /** Looks at a message that is being stored. */
  see(message: AgentMessage): void;
  /** Settles when the message that announces the call is committed. */
  written(toolUseId: string): Promise<void>;
}

/** @param inOrder runs something when everything before it is committed */
export function createCallRecords(inOrder: (show: () => void) => void): CallRecords {
  const seen = new Set<string>();
  const waiting = new Map<string, () => void>();

  /** The hook of a call may be heard before the message that came before it. */
  const announced = (toolUseId: string): Promise<void> =>
    new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(late);
        waiting.delete(toolUseId);
        resolve();
      };
      const late = setTimeout(done, ANNOUNCED_WITHIN_MS);
      waiting.set(toolUseId, done);
    });

  return {
    see(message) {
      for (const id of callsIn(message)) {
        seen.add(id);
        waiting.get(id)?.();
      }
      for (const id of seen) {
        if (seen.size <= REMEMBERED) break;
        seen.delete(id);
      }
    },
    async written(toolUseId) {
      if (!seen.has(toolUseId)) await announced(toolUseId);
      await new Promise<void>((resolve) => inOrder(resolve));
    },
  };
}

function callsIn({ type, message }: AgentMessage): string[] {
  if (type !== 'assistant' || !isObject(message) || !Array.isArray(message.content)) return [];
  return message.content.flatMap((block: unknown) =>
    isObject(block) && block.type === 'tool_use' && typeof block.id === 'string' ? [block.id] : [],
  );
}
