import { createCollector } from '../messages/collect.ts';
import type { AnswerMessage, JsonObject } from '../messages/types.ts';
import { checkStream } from './check-stream.ts';
import { post, readEvents, startGateway } from './gateway.ts';
import { type FakeAnswer, type SeenRequest, sendSse, sseText, startUpstream } from './upstream.ts';

// Answers as real providers gave them and as their imitators do: a gateway in front of one upstream that answers in
// each dialect as a test says.

export interface Outcome {
  status: number;
  headers: Headers;
  message?: AnswerMessage;
  error?: { type: string; message: string };
}

export interface OddUpstream {
  /** What the upstream answers next. */
  answer: FakeAnswer;
  readonly seen: SeenRequest[];
  ask(model: string, more?: JsonObject): Promise<Outcome>;
  close(): Promise<void>;
}

export const request = {
  max_tokens: 10_000,
  messages: [{ role: 'user', content: 'Go' }],
  tools: [{ name: 'Read', input_schema: { type: 'object', properties: {} } }],
  thinking: { type: 'adaptive' },
};

/** Providers `chat`, `resp`, `gem`, `bed` and `co`, one a dialect, all at the same upstream. */
export async function startOddUpstream(): Promise<OddUpstream> {
  const upstream = await startUpstream((...args) => odd.answer(...args));
  const facts = { context: 400_000, output: 64_000, reasoning: true };
  const provider = (api: string) => ({
    api: api as 'openai-chat',
    base_url: upstream.url,
    api_key: 'k',
    models: { m: facts, 'anthropic.claude-opus-4-6': facts },
  });
  const running = await startGateway({
    providers: {
      chat: provider('openai-chat'),
      resp: provider('openai-responses'),
      gem: provider('google'),
      bed: provider('amazon-bedrock'),
      co: provider('cohere'),
    },
    retries: 0,
    cool_down_seconds: 0.001,
  });
  const odd: OddUpstream = {
    answer: sse([]),
    seen: upstream.seen,
    ask: (model, more = {}) => ask(running.url, { ...request, model, ...more }),
    async close() {
      await running.close();
      await upstream.close();
    },
  };
  return odd;
}

/** The outcome of a request; a stream has to be a correct one. */
async function ask(url: string, body: JsonObject): Promise<Outcome> {
  const response = await post(url, body);
  const { status, headers } = response;
  const text = await response.text();
  if (!headers.get('content-type')?.includes('event-stream')) {
    const body = JSON.parse(text) as AnswerMessage & { error?: Outcome['error'] };
    return { status, headers, ...(body.error ? { error: body.error } : { message: body }) };
  }
  const events = readEvents(text);
  const last = events.at(-1);
  if (last?.type === 'error') return { status, headers, error: last.error };
  const problems = checkStream(events);
  if (problems.length > 0) throw new Error(`the stream is not correct: ${problems.join('; ')}`);
  const collector = createCollector();
  collector.push(events);
  const { message } = collector.result();
  return { status, headers, ...(message && { message }) };
}

/** The blocks of an answer in short. */
export const blocks = ({ message }: Outcome) =>
  message?.content.map((block) => {
    if (block.type === 'text') return ['text', block.text];
    if (block.type === 'thinking') return ['thinking', block.thinking];
    return block.type === 'tool_use' ? [block.name, block.input] : [block.type];
  });

export const sse =
  (chunks: readonly unknown[]): FakeAnswer =>
  (_, response) =>
    sendSse(response, sseText(chunks));
export const raw =
  (text: string): FakeAnswer =>
  (_, response) =>
    sendSse(response, text);
export const delta = (value: unknown, finish: string | null = null) => ({
  choices: [{ index: 0, delta: value, finish_reason: finish }],
});
export const stop = delta({}, 'stop');

/** The conversation after an answer with calls. */
export function nextTurn({ message }: Outcome): JsonObject[] {
  const content = message?.content ?? [];
  const results = content.flatMap((block) =>
    block.type === 'tool_use' ? [{ type: 'tool_result', tool_use_id: block.id, content: 'ok' }] : [],
  );
  return [...request.messages, { role: 'assistant', content }, { role: 'user', content: results }];
}
