import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { readStream } from '../../gateway/src/testing/read-stream.ts';
import { createDemoModel, type DemoModel } from './model.ts';

const ask = (content: unknown, more: Record<string, unknown> = {}) => ({
  model: 'any/name',
  max_tokens: 100,
  messages: [{ role: 'user', content }],
  ...more,
});
const post = (model: DemoModel, body: unknown, init: RequestInit = {}, path = '/v1/messages') =>
  model.fetch(
    new Request(`http://demo${path}`, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...init,
    }),
  );
const script = (...steps: unknown[]) => `script: ${JSON.stringify(steps)}`;

describe('POST /v1/messages', () => {
  it('answers in JSON, echoing the model name', async () => {
    const response = await post(createDemoModel(), ask('say hello'));
    expect(response.status).toBe(200);
    expect(response.headers.get('request-id')).toMatch(/^req_/);
    expect(await response.json()).toMatchObject({
      type: 'message',
      role: 'assistant',
      model: 'any/name',
      content: [{ type: 'text', text: 'hello' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: expect.any(Number), output_tokens: expect.any(Number) },
    });
  });

  it('answers as a stream, also with ?beta=true', async () => {
    const body = ask('say hello there', { stream: true });
    const response = await post(createDemoModel(), body, {}, '/v1/messages?beta=true');
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const read = readStream(await response.text());
    expect(read).toMatchObject({ problems: [], content: [{ type: 'text', text: 'hello there' }] });
    expect(read.usage.input_tokens).toBeGreaterThan(0);
  });

  it.each([
    ['{"model":', /not valid JSON/],
    ['{}', /model: .*expected string/],
    [JSON.stringify(ask([])).replace('[]}]', '[{}]}]'), /messages\.0\.content/],
    [JSON.stringify({ ...ask('x'), max_tokens: 0 }), /max_tokens/],
    [JSON.stringify({ ...ask('x'), messages: [] }), /messages: Too small/],
  ])('refuses %s with a 400', async (body, message) => {
    const response = await post(createDemoModel(), body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      type: 'error',
      error: { type: 'invalid_request_error', message: expect.stringMatching(message) },
      request_id: expect.stringMatching(/^req_/),
    });
  });

  it('answers at once when one token is wanted: somebody asks whether the model exists', async () => {
    const started = performance.now();
    const response = await post(createDemoModel({ wordDelayMs: 200 }), ask('Hi', { max_tokens: 1 }));
    expect(await response.json()).toMatchObject({
      content: [{ type: 'text', text: 'Hi' }],
      stop_reason: 'max_tokens',
    });
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  it('tells whoever asks what came in', async () => {
    const onRequest = vi.fn();
    await post(createDemoModel({ onRequest }), ask('hi'), { headers: { 'x-api-key': 'k' } });
    expect(onRequest).toHaveBeenCalledOnce();
    expect(onRequest.mock.calls[0]?.[0]).toMatchObject({
      method: 'POST',
      path: '/v1/messages',
      body: { model: 'any/name' },
    });
    expect(onRequest.mock.calls[0]?.[0].headers.get('x-api-key')).toBe('k');
  });
});

describe('any conversation', () => {
  const words = fc.constantFrom(
    'list files',
    'x',
    '<system-reminder>a</system-reminder>',
    'script: [{"say":"Got {{results}}"}]',
    'plan it',
    'edit a: replace b with c',
    '[Request interrupted by user]',
    '',
  );
  const id = fc.constantFrom('t1', 't2');
  const block = fc.oneof(
    fc.record({ type: fc.constant('text'), text: words }),
    fc.record({
      type: fc.constant('tool_use'),
      id,
      name: fc.constantFrom('Bash', 'Read', 'Edit', 'ExitPlanMode'),
      input: fc.object(),
    }),
    fc.record({
      type: fc.constant('tool_result'),
      tool_use_id: id,
      content: fc.oneof(words, fc.array(fc.record({ type: fc.constant('text'), text: words }))),
      is_error: fc.boolean(),
    }),
    fc.record({ type: fc.constantFrom('image', 'thinking', 'new_kind') }),
  );
  const message = fc.record({
    role: fc.constantFrom('user', 'assistant', 'system'),
    content: fc.oneof(words, fc.array(block)),
  });

  it('gets a well-formed answer, the same each time but for the ids', async () => {
    const model = createDemoModel();
    const read = async (body: unknown) => {
      const { problems, content, stopReason, usage } = readStream(await (await post(model, body)).text());
      return { problems, stopReason, usage, content: content.map((part) => ({ ...part, id: '' })) };
    };
    await fc.assert(
      fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 8 }), async (messages) => {
        const body = ask('', { messages, stream: true, tools: [{ name: 'Bash' }, { name: 'Read' }] });
        const first = await read(body);
        expect(first.problems).toEqual([]);
        expect(first.content.length).toBeGreaterThan(0);
        expect(await read(body)).toEqual(first);
      }),
    );
  });
});

describe('the other endpoints', () => {
  it('count tokens with the same estimator as usage', async () => {
    const model = createDemoModel();
    const body = ask('x'.repeat(4_000));
    const { max_tokens: _, ...countable } = body;
    const counted = await (await post(model, countable, {}, '/v1/messages/count_tokens?beta=true')).json();
    const answered = await (await post(model, body)).json();
    expect(counted.input_tokens).toBe(answered.usage.input_tokens);
    expect(counted.input_tokens).toBeGreaterThan(1_000);
    expect(counted.input_tokens).toBeLessThan(1_050);
  });

  it('count an image at a flat rate, however large its base64', async () => {
    const image = {
      type: 'image',
      source: { type: 'base64', media_type: 'image/png', data: 'A'.repeat(1_000_000) },
    };
    const counted = await (
      await post(createDemoModel(), ask([image]), {}, '/v1/messages/count_tokens')
    ).json();
    expect(counted.input_tokens).toBeLessThan(2_000);
  });

  it('list models in pages', async () => {
    const model = createDemoModel({ models: ['a', 'b'] });
    const get = (path: string) => model.fetch(new Request(`http://demo${path}`));
    expect(await (await get('/v1/models?limit=1')).json()).toMatchObject({
      data: [{ type: 'model', id: 'a' }],
      has_more: true,
      first_id: 'a',
      last_id: 'a',
    });
    expect(await (await get('/v1/models?limit=1000')).json()).toMatchObject({
      has_more: false,
      last_id: 'b',
    });
    expect(await (await get('/v1/models?limit=1&after_id=a')).json()).toMatchObject({
      data: [{ id: 'b' }],
      has_more: false,
    });
    expect((await get('/v1/models?limit=0')).status).toBe(400);
    expect(await (await get('/v1/models/b')).json()).toMatchObject({ id: 'b' });
    expect((await get('/v1/models/c')).status).toBe(404);
  });

  it('answer probes and refuse what is not there', async () => {
    const model = createDemoModel();
    expect((await model.fetch(new Request('http://demo/', { method: 'HEAD' }))).status).toBe(200);
    const missing = await model.fetch(new Request('http://demo/v1/nothing'));
    expect(missing.status).toBe(404);
    expect(await missing.json()).toMatchObject({ type: 'error', error: { type: 'not_found_error' } });
  });
});

describe('scripts', () => {
  it('come from a matching scenario before anything else', async () => {
    const model = createDemoModel({
      scenarios: [
        { name: 'text', match: 'needle', steps: [{ say: 'by text' }] },
        { name: 'pattern', match: /^say x+$/, steps: [{ say: 'by pattern' }] },
        {
          name: 'function',
          match: (prompt) => prompt.length > 50,
          steps: ({ prompt }) => [{ say: `${prompt.length}` }],
        },
      ],
    });
    const say = async (prompt: string) => (await (await post(model, ask(prompt))).json()).content[0].text;
    expect(await say('a needle here')).toBe('by text');
    expect(await say('say xxx')).toBe('by pattern');
    expect(await say('y'.repeat(60))).toBe('60');
    expect(await say('say z')).toBe('z');
  });

  it('go one step further with each answer, then report on the results', async () => {
    const model = createDemoModel();
    const steps = [
      { tools: [{ name: 'Bash', input: { command: 'ls' } }, { name: 'Read' }] },
      { say: 'Got {{result}}', tools: [{ name: 'Write' }] },
    ];
    const messages: unknown[] = [{ role: 'user', content: script(...steps) }];
    const next = async () => {
      const answer = await (await post(model, ask('', { messages }))).json();
      messages.push({ role: 'assistant', content: answer.content });
      return answer;
    };
    const reply = (answer: { content: { id: string; type: string }[] }, results: object[]) => {
      const uses = answer.content.filter(({ type }) => type === 'tool_use');
      messages.push({
        role: 'user',
        content: uses.map(({ id }, index) => ({ type: 'tool_result', tool_use_id: id, ...results[index] })),
      });
    };
    const first = await next();
    expect(first).toMatchObject({
      stop_reason: 'tool_use',
      content: [
        { name: 'Bash', input: { command: 'ls' } },
        { name: 'Read', input: {} },
      ],
    });
    reply(first, [{ content: 'a.txt' }, { content: 'no such file', is_error: true }]);
    const second = await next();
    expect(second.content).toMatchObject([{ text: 'Got a.txt' }, { name: 'Write' }]);
    reply(second, [{ content: 'The user denied this.', is_error: true }]);
    expect((await next()).content).toEqual([
      { type: 'text', text: 'Write was not allowed: The user denied this.' },
    ]);
  });

  it('that are broken are answered with what is wrong', async () => {
    const answer = await (await post(createDemoModel(), ask('script: [{"sya":"x"}]'))).json();
    expect(answer.content[0].text).toContain('Unrecognized key: "sya"');
  });

  it('can fail, with a header that says when to try again', async () => {
    const step = { error: { status: 429, message: 'slow down', retry_after: 7 } };
    const response = await post(createDemoModel(), ask(script(step), { stream: true }));
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('7');
    expect(await response.json()).toMatchObject({
      error: { type: 'rate_limit_error', message: 'slow down' },
    });
  });

  it('can fail only the first times, for each conversation by itself', async () => {
    const model = createDemoModel();
    const body = ask(script({ error: { status: 529, times: 2 }, say: 'recovered' }));
    const status = async (session: string) =>
      (await post(model, body, { headers: { 'x-claude-code-session-id': session } })).status;
    expect([
      await status('a'),
      await status('a'),
      await status('b'),
      await status('a'),
      await status('b'),
      await status('b'),
    ]).toEqual([529, 529, 529, 200, 529, 200]);
  });

  it('can set the stop reason and the usage', async () => {
    const step = {
      say: 'x',
      stop_reason: 'max_tokens',
      usage: { input_tokens: 9, cache_read_input_tokens: 5 },
    };
    expect(await (await post(createDemoModel(), ask(script(step)))).json()).toMatchObject({
      stop_reason: 'max_tokens',
      usage: { input_tokens: 9, cache_read_input_tokens: 5 },
    });
  });

  it('can cut the connection after so many events, and only the first times', async () => {
    const model = createDemoModel();
    const body = ask(script({ say: 'a b c', cut: { after: 3, times: 1 } }), { stream: true });
    const response = await post(model, body);
    const received: string[] = [];
    const reading = (async () => {
      for await (const chunk of response.body ?? []) received.push(new TextDecoder().decode(chunk));
    })();
    await expect(reading).rejects.toThrow('cut');
    expect(received.join('').match(/^event: /gm)).toHaveLength(3);
    expect(readStream(await (await post(model, body)).text()).problems).toEqual([]);
  });

  it('can cut a JSON answer too', async () => {
    const response = await post(createDemoModel(), ask(script({ say: 'a b c', cut: true })));
    await expect(response.text()).rejects.toThrow('cut');
  });
});

describe('held answers', () => {
  it('start the stream at once and go on when released', async () => {
    const model = createDemoModel();
    const response = await post(model, ask(script({ hold: 'g', say: 'free' }), { stream: true }));
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const decode = (chunk: ReadableStreamReadResult<Uint8Array>) => new TextDecoder().decode(chunk.value);
    const start = decode(await reader.read());
    expect(start).toMatch(/^event: message_start/);
    const rest = reader.read();
    await model.gates.reached('g');
    model.gates.release('g');
    expect(readStream(start + decode(await rest)).content).toEqual([{ type: 'text', text: 'free' }]);
  });

  it('in JSON come whole when released', async () => {
    const model = createDemoModel();
    const response = post(model, ask(script({ say: 'now {{hold:g}}free' })));
    await model.gates.reached('g');
    model.gates.release('g');
    expect((await (await response).json()).content[0].text).toBe('now free');
  });

  it('stop when the client gives up, and leave the gate to the next', async () => {
    const model = createDemoModel();
    const gone = new AbortController();
    const body = ask(script({ hold: 'g', say: 'x' }));
    const given = post(model, body, { signal: gone.signal });
    await model.gates.reached('g');
    gone.abort();
    await expect(given).rejects.toThrow();
    const next = post(model, body);
    await model.gates.reached('g', 2);
    model.gates.release('g');
    expect((await next).status).toBe(200);
  });

  it('stop when the reader of the stream goes away', async () => {
    const model = createDemoModel();
    const body = ask(script({ hold: 'g', say: 'x' }), { stream: true });
    const first = (await post(model, body)).body as ReadableStream<Uint8Array>;
    await model.gates.reached('g');
    await first.cancel();
    const second = await post(model, body);
    await model.gates.reached('g', 2);
    model.gates.release('g');
    expect(readStream(await second.text()).problems).toEqual([]);
  });
});
