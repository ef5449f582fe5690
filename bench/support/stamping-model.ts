/**
 * A model that says when it said it: speaks Anthropic's Messages API, and does what a prompt asks for.
 *
 *     bench:stream TOKENS PER_SECOND    words at that pace; every tenth is the time at which it was sent (k1796000000000)
 *     bench:tools ROUNDS CALLS file:PATH   reads that file, CALLS times in each of ROUNDS answers
 *
 * What has no tools (a title, a summary) is answered with a word.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';

const Block = z.looseObject({ type: z.string(), text: z.string().optional() });
const Body = z.looseObject({
  stream: z.boolean().optional(),
  tools: z.array(z.looseObject({ name: z.string().optional(), input_schema: z.unknown() })).optional(),
  messages: z.array(z.looseObject({ role: z.string(), content: z.union([z.string(), z.array(Block)]) })),
});
type Body = z.output<typeof Body>;

const STAMP_EVERY = 10;
const PARAGRAPH = 60;
const ORDER = /bench:(stream|tools) (\d+) (\d+)(?: file:(\S+))?/g;

/** The newest order, and how many answers came after it. */
function findOrder({ messages }: Body) {
  for (let at = messages.length - 1; at >= 0; at--) {
    const { role, content } = messages[at] as Body['messages'][number];
    if (role !== 'user') continue;
    const text = typeof content === 'string' ? content : content.map((block) => block.text ?? '').join('\n');
    const order = [...text.matchAll(ORDER)].at(-1);
    if (!order) continue;
    const answers = messages.slice(at).filter((message) => message.role === 'assistant').length;
    return {
      kind: order[1],
      first: Number(order[2]),
      second: Number(order[3]),
      file: order[4] ?? '',
      answers,
    };
  }
  return undefined;
}

let ids = 0;

function begin(response: ServerResponse): (type: string, data: object) => void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (type: string, data: object): void => {
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
  };
  const usage = { input_tokens: 100, output_tokens: 1 };
  const head = { id: `msg_${++ids}`, type: 'message', role: 'assistant', model: 'demo' };
  send('message_start', {
    message: { ...head, content: [], stop_reason: null, stop_sequence: null, usage },
  });
  return send;
}

function end(response: ServerResponse, send: ReturnType<typeof begin>, reason: string): void {
  send('message_delta', {
    delta: { stop_reason: reason, stop_sequence: null },
    usage: { output_tokens: 100 },
  });
  send('message_stop', {});
  response.end();
}

const say = (send: ReturnType<typeof begin>, text: string): void =>
  send('content_block_delta', { index: 0, delta: { type: 'text_delta', text } });

/** In time on average: a timer that is late sends what is due together. */
function stream(response: ServerResponse, tokens: number, perSecond: number): void {
  const send = begin(response);
  send('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
  const start = performance.now();
  let sent = 0;
  const tick = (): void => {
    const due = Math.min(tokens, Math.floor(((performance.now() - start) / 1000) * perSecond));
    for (; sent < due; sent++) {
      const stamp = Math.round(performance.timeOrigin + performance.now());
      const word = sent % STAMP_EVERY === 0 ? `k${stamp}` : `word${sent % 7}`;
      say(send, `${word}${sent % PARAGRAPH === PARAGRAPH - 1 ? '.\n\n' : ' '}`);
    }
    if (sent < tokens) {
      setTimeout(tick, 1000 / perSecond);
      return;
    }
    say(send, 'the end');
    send('content_block_stop', { index: 0 });
    end(response, send, 'end_turn');
  };
  tick();
}

function callTools(response: ServerResponse, body: Body, file: string, calls: number): void {
  const tool = body.tools?.find(({ name }) => /^read$/i.test(name ?? ''));
  const key = JSON.stringify(tool?.input_schema).includes('"file_path"') ? 'file_path' : 'filePath';
  const send = begin(response);
  for (let index = 0; index < calls; index++) {
    const block = { type: 'tool_use', id: `toolu_${++ids}`, name: tool?.name, input: {} };
    const input = { [key]: file, offset: 1 + index, limit: 5 };
    send('content_block_start', { index, content_block: block });
    send('content_block_delta', {
      index,
      delta: { type: 'input_json_delta', partial_json: JSON.stringify(input) },
    });
    send('content_block_stop', { index });
  }
  end(response, send, 'tool_use');
}

function word(response: ServerResponse, text: string): void {
  const send = begin(response);
  send('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
  say(send, text);
  send('content_block_stop', { index: 0 });
  end(response, send, 'end_turn');
}

const server = createServer(async (request, response) => {
  let text = '';
  for await (const chunk of request) text += chunk;
  const body = Body.safeParse(text === '' ? {} : JSON.parse(text)).data;
  if (!request.url?.includes('/messages') || !body?.stream) {
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"input_tokens":100}');
    return;
  }
  const order = body.tools?.length ? findOrder(body) : undefined;
  if (order?.kind === 'stream' && order.answers === 0) stream(response, order.first, order.second);
  else if (order?.kind === 'tools' && order.answers < order.first)
    callTools(response, body, order.file, order.second);
  else word(response, 'the end');
});
server.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
