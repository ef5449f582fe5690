import type { SDKUserMessage } from '@anthropic-ai/claude-agent-sdk';
import type { UserInput } from 'claude-agent-protocol';

export type Inbox = ReturnType<typeof createInbox>;

/**
 * The SDK's input stream: messages enter one by one for the life of the process. Until the process is ready they are also
 * kept, for the process that is started in its stead if it does not become this session's.
 */
export function createInbox() {
  let early: SDKUserMessage[] | undefined = [];
  let queue: SDKUserMessage[] = [];
  let wake = (): void => {};
  let ended = false;
  /** Which stream is read: an earlier one gets nothing more. */
  let stream = 0;
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
    /** The process is ready. */
    ready(): void {
      early = undefined;
      wake();
    },
    end(): void {
      ended = true;
      wake();
    },
    /** The stream for a process, from the first message on. */
    async *messages(): AsyncGenerator<SDKUserMessage> {
      const mine = ++stream;
      ended = false;
      queue = [...(early ?? []), ...queue];
      early = early && [];
      wake();
      while (!ended && mine === stream) {
        const [next] = queue;
        if (next && !(early && isCommand(next))) {
          queue.shift();
          early?.push(next);
          yield next;
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    },
  };
}

/** A command may change the model, and a change is told from what the process had when it was ready. */
function isCommand({ message: { content } }: SDKUserMessage): boolean {
  const texts =
    typeof content === 'string' ? [content] : content.map((block) => ('text' in block ? block.text : ''));
  return texts.some((text) => text.trimStart().startsWith('/'));
}
