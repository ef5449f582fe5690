/** Conversations with the agent: through its SDK in this process, and through the server over HTTP. */
import { randomUUID } from 'node:crypto';
import { type Query, query, type SDKUserMessage } from '@anthropic-ai/claude-agent-sdk';

const PROMPT = 'script: [{"say":"one two three four five six seven eight nine ten"}]';

/** When the first token and the end of a turn came, in ms after it was sent. */
export interface Times {
  first: number;
  end: number;
}

export interface Conversation {
  id: string;
  turn(): Promise<Times>;
  close(): Promise<void>;
}

/** The SDK in this process: a streaming-input query. */
export function openSdk(cwd: string, env: Record<string, string>, resume?: string): Conversation {
  const id = resume ?? randomUUID();
  const inbox: SDKUserMessage[] = [];
  let wake = (): void => {};
  let open = true;
  async function* messages(): AsyncGenerator<SDKUserMessage> {
    while (open) {
      const next = inbox.shift();
      if (next) yield next;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  }
  const sdk: Query = query({
    prompt: messages(),
    options: {
      cwd,
      env,
      model: 'demo',
      ...(resume === undefined ? { sessionId: id } : { resume }),
      permissionMode: 'default',
      systemPrompt: { type: 'preset', preset: 'claude_code' },
      includePartialMessages: true,
      forwardSubagentText: true,
      enableFileCheckpointing: true,
      // as the server starts it: somebody can be asked
      canUseTool: async (_, input) => ({ behavior: 'allow', updatedInput: input }),
      onElicitation: async () => ({ action: 'decline' }),
      mcpServersDelivery: 'initialize',
    },
  });
  return {
    id,
    async turn() {
      const start = performance.now();
      let first = 0;
      inbox.push({ type: 'user', message: { role: 'user', content: PROMPT }, parent_tool_use_id: null });
      wake();
      for (;;) {
        const { value } = await sdk.next();
        if (!first && value?.type === 'stream_event' && value.event.type === 'content_block_delta') {
          first = performance.now() - start;
        }
        if (!value || value.type === 'result') return { first, end: performance.now() - start };
      }
    },
    async close() {
      open = false;
      wake();
      sdk.close();
      await sdk.return();
    },
  };
}

/** The server over HTTP: one POST a turn, its answer as a stream or in one piece. */
export async function openHttp(
  url: string,
  accept: 'text/event-stream' | 'application/json',
  start: 'now' | 'lazy' = 'now',
): Promise<Conversation> {
  const created = await fetch(`${url}/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ start }),
  });
  const { session_id: id } = (await created.json()) as { session_id: string };
  return {
    id,
    async turn() {
      const start = performance.now();
      const response = await fetch(`${url}/sessions/${id}/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept },
        body: JSON.stringify({ message: PROMPT }),
      });
      let first = 0;
      let text = '';
      for await (const chunk of response.body ?? []) {
        text += Buffer.from(chunk).toString();
        if (!first && text.includes('"content_block_delta"')) first = performance.now() - start;
      }
      const end = performance.now() - start;
      if (!text.includes('ten')) throw new Error(`not the answer: ${text.slice(0, 500)}`);
      return { first: first || end, end };
    },
    async close() {
      await fetch(`${url}/sessions/${id}`, { method: 'DELETE' });
    },
  };
}

/** What a server and an SDK are started with, so that both do the same work against the same scripted model. */
export const agentEnvironment = (home: string, upstream: string): Record<string, string> => ({
  PATH: process.env.PATH ?? '',
  HOME: home,
  IS_SANDBOX: '1',
  ANTHROPIC_BASE_URL: upstream,
  ANTHROPIC_API_KEY: 'bench',
  ANTHROPIC_MODEL: 'demo',
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  DISABLE_AUTOUPDATER: '1',
  // what the server sets for a model that is not Claude's
  DISABLE_PROMPT_CACHING: '1',
  CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS: '1',
  ENABLE_TOOL_SEARCH: 'false',
});
