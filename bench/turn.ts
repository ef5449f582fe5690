/**
 * The same prompts through the agent SDK in this process and through the server over HTTP, alternating in
 * one run, against the same scripted model. Measures what the server adds.
 *
 * Run: node --conditions=claude-agent-source bench/turn.ts [turns=60] [sessions=10]
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Query, query, type SDKUserMessage } from '@anthropic-ai/claude-agent-sdk';
import { startProgram } from './support/child.ts';
import { median, ms, printTable, quantile } from './support/table.ts';

const PROMPT = 'script: [{"say":"one two three four five six seven eight nine ten"}]';

/** When the first token and the end of a turn came, in ms after it was sent. */
interface Times {
  first: number;
  end: number;
}

interface Conversation {
  turn(): Promise<Times>;
  close(): Promise<void>;
}

/** The SDK in this process: a streaming-input query. */
function openSdk(cwd: string, env: Record<string, string>): Conversation {
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
      sessionId: randomUUID(),
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
async function openHttp(
  url: string,
  accept: 'text/event-stream' | 'application/json',
): Promise<Conversation> {
  const created = await fetch(`${url}/sessions`, { method: 'POST' });
  const { session_id: id } = (await created.json()) as { session_id: string };
  return {
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

export async function benchTurn({ turns = 60, sessions = 10 } = {}): Promise<void> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'bench-turn-')));
  const work = join(base, 'work');
  mkdirSync(work);
  const upstream = await startProgram('bench/support/upstream.ts');
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: base,
    IS_SANDBOX: '1',
    ANTHROPIC_BASE_URL: upstream.url,
    ANTHROPIC_API_KEY: 'bench',
    ANTHROPIC_MODEL: 'demo',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_AUTOUPDATER: '1',
    // what the server sets for a model that is not Claude's; the same work for both sides
    DISABLE_PROMPT_CACHING: '1',
    CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS: '1',
    ENABLE_TOOL_SEARCH: 'false',
  };
  const server = await startProgram('packages/server/src/main.ts', {
    args: ['--port', '0', '--home', join(base, 'home'), '--root', work],
    env,
  });

  const ways = {
    'SDK in-process': async () => openSdk(work, env),
    'HTTP, SSE': () => openHttp(server.url, 'text/event-stream'),
    'HTTP, blocking': () => openHttp(server.url, 'application/json'),
  };
  const names = Object.keys(ways) as (keyof typeof ways)[];
  const fresh = new Map(names.map((name) => [name, [] as number[]]));
  const next = new Map(names.map((name) => [name, [] as Times[]]));

  try {
    // New sessions: from nothing to the first token.
    for (let n = 0; n < sessions; n++) {
      for (const name of names) {
        const start = performance.now();
        const conversation = await ways[name]();
        const opened = performance.now() - start;
        fresh.get(name)?.push(opened + (await conversation.turn()).first);
        await conversation.close();
      }
    }
    // Next turns, alternating, so that what the machine does meanwhile meets all of them alike.
    const conversations = await Promise.all(names.map(async (name) => [name, await ways[name]()] as const));
    for (const [, conversation] of conversations) for (let n = 0; n < 3; n++) await conversation.turn();
    for (let n = 0; n < turns; n++) {
      for (const [name, conversation] of conversations) next.get(name)?.push(await conversation.turn());
    }
    for (const [, conversation] of conversations) await conversation.close();
  } finally {
    await server.stop();
    await upstream.stop();
    rmSync(base, { recursive: true, force: true });
  }

  const report = (title: string, valuesOf: (name: (typeof names)[number]) => number[]): void => {
    const base = median(valuesOf('SDK in-process'));
    printTable(
      title,
      ['', 'median', 'p90', 'ratio', 'slower by'],
      names.map((name) => {
        const values = valuesOf(name);
        const middle = median(values);
        return [
          name,
          ms(middle),
          ms(quantile(values, 0.9)),
          `${(middle / base).toFixed(2)}x`,
          ms(middle - base),
        ];
      }),
    );
  };
  report(`new session to first token (${sessions} each)`, (name) => fresh.get(name) ?? []);
  report(`next turn to first token (${turns} each)`, (name) =>
    (next.get(name) ?? []).map((times) => times.first),
  );
  report(`next turn to its end (${turns} each)`, (name) => (next.get(name) ?? []).map((times) => times.end));
}

if (import.meta.main) {
  const [turns, sessions] = process.argv.slice(2).map(Number);
  await benchTurn({ ...(turns && { turns }), ...(sessions && { sessions }) });
}
