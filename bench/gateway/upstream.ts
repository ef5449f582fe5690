// The upstream of the gateway benchmark: answers at once, 20 chunks, in Anthropic's dialect and in Chat Completions.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const words = Array.from({ length: 20 }, (_, at) => `word${at} `);
const usage = { prompt_tokens: 10_000, completion_tokens: 20, total_tokens: 10_020 };

const chatChunks = [
  ...words.map((content) => ({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })),
  { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
  { choices: [], usage },
].map(
  (chunk) =>
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', model: 'm', created: 1, ...chunk })}\n\n`,
);
chatChunks.push('data: [DONE]\n\n');
const chatWhole = JSON.stringify({
  id: 'c',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: words.join('') }, finish_reason: 'stop' }],
  usage,
});

const message = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'm',
  stop_reason: null as string | null,
  stop_sequence: null,
  usage: { input_tokens: 10_000, output_tokens: 1 },
};
const event = (data: { type: string }) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
const block = { index: 0, content_block: { type: 'text', text: '' } };
const messagesChunks = [
  event({ type: 'message_start', ...{ message: { ...message, content: [] } } }) +
    event({ type: 'content_block_start', ...block }),
  ...words.map((text) =>
    event({ type: 'content_block_delta', ...{ index: 0, delta: { type: 'text_delta', text } } }),
  ),
  event({ type: 'content_block_stop', ...{ index: 0 } }) +
    event({
      type: 'message_delta',
      ...{ delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 20 } },
    }) +
    event({ type: 'message_stop' }),
];
const messagesWhole = JSON.stringify({
  ...message,
  content: [{ type: 'text', text: words.join('') }],
  stop_reason: 'end_turn',
  usage: { input_tokens: 10_000, output_tokens: 20 },
});

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const chat = request.url?.includes('/chat/completions');
    const body = Buffer.concat(chunks);
    if (!body.includes('"stream":true')) {
      const whole = chat ? chatWhole : messagesWhole;
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(whole),
      });
      response.end(whole);
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const chunk of chat ? chatChunks : messagesChunks) response.write(chunk);
    response.end();
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
