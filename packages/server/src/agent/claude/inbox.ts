import type { SDKUserMessage } from '@anthropic-ai/claude-agent-sdk';
import type { UserInput } from 'claude-agent-protocol';

/** The SDK's input stream: messages enter one by one for the life of the process. */
export function createInbox() {
  const queue: SDKUserMessage[] = [];
  let wake = (): void => {};
  let ended = false;
  return {
    push(turnId: string, input: UserInput): void {
      queue.push({
        type: 'user',
        uuid: turnId as NonNullable<SDKUserMessage['uuid']>,
        message: { role: 'user', content: input as SDKUserMessage['message']['content'] },
        parent_tool_use_id: null,
      });
      wake();
    },
    end(): void {
      ended = true;
      wake();
    },
    async *messages(): AsyncGenerator<SDKUserMessage> {
      while (!ended) {
        const next = queue.shift();
        if (next) yield next;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    },
  };
}
