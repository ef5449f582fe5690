import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentMessage } from '../agent.ts';

/**
 * The agent asks as soon as a call is complete, 1 to 2 ms before the model's answer is. A slow answer may bring more
 * calls much later; a human should not have to wait for them, so such a call counts as one of several.
 */
const FINISHED_WITHIN_MS = 250;

/** Tracks the answers of the main thread, to know whether a call is the only one of its answer. */
export interface AnswerWatch {
  see(message: AgentMessage): void;
  /** Whether the answer that made the call is finished and made no other. */
  isAlone(toolUseId: string): Promise<boolean>;
}

export function createAnswerWatch(): AnswerWatch {
  let calls = new Set<unknown>();
  let isFinished = false;
  let finished = Promise.withResolvers<void>();

  return {
    see(message) {
      if (message.type !== 'stream_event' || message.parent_tool_use_id !== null) return;
      const event = message.event as { type?: string; content_block?: { type?: string; id?: unknown } };
      if (event.type === 'message_start') {
        calls = new Set();
        if (isFinished) finished = Promise.withResolvers();
        isFinished = false;
      } else if (event.type === 'content_block_start' && event.content_block?.type === 'tool_use') {
        calls.add(event.content_block.id);
      } else if (event.type === 'message_stop') {
        isFinished = true;
        finished.resolve();
      }
    },
    async isAlone(toolUseId) {
      if (!isFinished)
        await Promise.race([finished.promise, sleep(FINISHED_WITHIN_MS, undefined, { ref: false })]);
      return isFinished && calls.size === 1 && calls.has(toolUseId);
    },
  };
}
