import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  blocks,
  delta,
  nextTurn,
  type OddUpstream,
  raw,
  sse,
  startOddUpstream,
  stop,
} from '../../testing/odd-answers.ts';
import { type FakeAnswer, sendJson, sseText } from '../../testing/upstream.ts';

let odd: OddUpstream;
beforeAll(async () => {
  odd = await startOddUpstream();
});
afterAll(() => odd.close());
beforeEach(() => {
  odd.seen.length = 0;
});

describe('Chat Completions', () => {
  /** A stream of these deltas, and the same as a whole answer. */
  const both: [string, (chunks: readonly unknown[], whole: unknown) => FakeAnswer, boolean][] = [
    ['a stream', (chunks) => sse([...chunks, '[DONE]']), true],
    ['a whole answer', (_, whole) => (_request, response) => sendJson(response, 200, whole), false],
  ];
  const message = (value: unknown, finish = 'stop') => ({
    choices: [{ message: value, finish_reason: finish }],
  });

  describe.each(both)('as %s', (_, give, stream) => {
    test('reasoning in details only is thinking', async () => {
      const details = [
        { type: 'reasoning.summary', summary: 'in short', index: 0 },
        { type: 'reasoning.encrypted', data: 'E', index: 1 },
      ];
      odd.answer = give(
        [delta({ reasoning_details: details }), delta({ content: 'yes' }), stop],
        message({ content: 'yes', reasoning_details: details }),
      );
      expect(blocks(await odd.ask('chat/m', { stream }))).toEqual([
        ['thinking', 'in short'],
        ['text', 'yes'],
      ]);
    });

    test('GitHub Copilot gets its own data back', async () => {
      const said = { reasoning_text: 'hm', reasoning_opaque: 'OPAQUE' };
      const calls = [{ index: 0, id: 'call_abcdefghijkl', function: { name: 'Read', arguments: '{}' } }];
      odd.answer = give(
        [delta(said), delta({ tool_calls: calls }), delta({}, 'tool_calls')],
        message({ ...said, tool_calls: calls }, 'tool_calls'),
      );
      const first = await odd.ask('chat/m', { stream });
      await odd.ask('chat/m', { stream, messages: nextTurn(first) });
      expect(odd.seen.at(-1)?.json().messages).toMatchObject([{}, said, {}]);
    });

    test('a signature of Gemini goes back with its call', async () => {
      const extra_content = { google: { thought_signature: 'SIG' } };
      const calls = [
        { index: 0, id: 'call_abcdefghijkl', function: { name: 'Read', arguments: '{}' }, extra_content },
      ];
      odd.answer = give(
        [delta({ tool_calls: calls }), delta({}, 'tool_calls')],
        message({ tool_calls: calls }, 'tool_calls'),
      );
      const first = await odd.ask('chat/m', { stream });
      await odd.ask('chat/m', { stream, messages: nextTurn(first) });
      expect(odd.seen.at(-1)?.json().messages).toMatchObject([{}, { tool_calls: [{ extra_content }] }, {}]);
    });

    test.each([
      [{ object: 'error', message: 'out of memory', code: 500 }, 'out of memory'],
      [{ detail: 'no such LoRA' }, 'no such LoRA'],
      [{ code: 1210, msg: 'bad parameter' }, 'bad parameter'],
    ])('%j in a 200 is an error in the provider’s words', async (body, words) => {
      odd.answer = give([body], body);
      const { status, error } = await odd.ask('chat/m', { stream });
      expect(status).toBeGreaterThanOrEqual(500);
      expect(error?.message).toContain(words);
    });

    test('an answer without any choice is an error', async () => {
      odd.answer = give([], { choices: [] });
      expect(await odd.ask('chat/m', { stream })).toMatchObject({
        status: 502,
        error: { type: 'api_error' },
      });
    });

    test('a refusal ends as a refusal', async () => {
      odd.answer = give([delta({ refusal: 'I will not' }), stop], message({ refusal: 'I will not' }));
      const outcome = await odd.ask('chat/m', { stream });
      expect(blocks(outcome)).toEqual([['text', 'I will not']]);
      expect(outcome.message?.stop_reason).toBe('refusal');
    });

    test('a legacy function call is a tool call', async () => {
      const call = { name: 'Read', arguments: '{"a":1}' };
      odd.answer = give(
        [
          delta({ function_call: { name: 'Read', arguments: '' } }),
          delta({ function_call: { arguments: '{"a":1}' } }),
          delta({}, 'function_call'),
        ],
        message({ function_call: call }, 'function_call'),
      );
      const outcome = await odd.ask('chat/m', { stream });
      expect(blocks(outcome)).toEqual([['Read', { a: 1 }]]);
      expect(outcome.message?.stop_reason).toBe('tool_use');
    });

    test('white space alone is not a text block, and leading white space of a text is kept', async () => {
      const calls = [{ index: 0, id: 'call_abcdefghijkl', function: { name: 'Read', arguments: '{}' } }];
      odd.answer = give(
        [delta({ content: '\n\n' }), delta({ tool_calls: calls }), stop],
        message({ content: '\n\n', tool_calls: calls }),
      );
      expect(blocks(await odd.ask('chat/m', { stream }))).toEqual([['Read', {}]]);
      odd.answer = give(
        [delta({ content: '\n ' }), delta({ content: 'x' }), stop],
        message({ content: '\n x' }),
      );
      expect(blocks(await odd.ask('chat/m', { stream }))).toEqual([['text', '\n x']]);
    });

    test.each([
      ['Kimi', { prompt_tokens: 100, completion_tokens: 5, cached_tokens: 60 }, [40, 60, 0]],
      [
        'Grok at Azure',
        { prompt_tokens: 100, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 300 } },
        [100, 300, 0],
      ],
      [
        'OpenRouter',
        {
          prompt_tokens: 100,
          completion_tokens: 5,
          prompt_tokens_details: { cached_tokens: 20, cache_write_tokens: 500 },
        },
        [80, 20, 500],
      ],
    ])('the usage of %s', async (_provider, usage, [input, read, written]) => {
      odd.answer = give([delta({ content: 'x' }), { ...stop, usage }], {
        ...message({ content: 'x' }),
        usage,
      });
      expect((await odd.ask('chat/m', { stream })).message?.usage).toEqual({
        input_tokens: input,
        cache_read_input_tokens: read,
        cache_creation_input_tokens: written,
        output_tokens: 5,
      });
    });

    test('thinking tags are thinking at the beginning of a text, and text later on', async () => {
      const content = '<think>hm, <b></think>\n\nUse <think> so';
      odd.answer = give([delta({ content }), stop], message({ content }));
      expect(blocks(await odd.ask('chat/m', { stream }))).toEqual([
        ['thinking', 'hm, <b>'],
        ['text', 'Use <think> so'],
      ]);
    });

    test('sources are dropped and reported', async () => {
      const annotations = [{ type: 'url_citation', url_citation: { url: 'http://a.test' } }];
      odd.answer = give([delta({ content: 'x', annotations }), stop], message({ content: 'x', annotations }));
      const outcome = await odd.ask('chat/m', {
        stream,
        service_tier: 'auto',
        context_management: { edits: [] },
      });
      expect(outcome.headers.get('x-gateway-dropped')).toBe(
        'context_management, service_tier, answer:citations',
      );
    });
  });

  test('thinking tags may be split anywhere', async () => {
    const content = '<think>ab</think>c<d';
    for (let at = 1; at < content.length; at += 1) {
      odd.answer = sse([
        delta({ content: content.slice(0, at) }),
        delta({ content: content.slice(at) }),
        stop,
        '[DONE]',
      ]);
      expect(blocks(await odd.ask('chat/m', { stream: true })), `cut at ${at}`).toEqual([
        ['thinking', 'ab'],
        ['text', 'c<d'],
      ]);
    }
  });

  test('a tool name may be split', async () => {
    const part = (name: string, more = {}) =>
      delta({ tool_calls: [{ index: 0, function: { name, arguments: '' }, ...more }] });
    const input = delta({ tool_calls: [{ index: 0, function: { arguments: '{}' } }] });
    odd.answer = sse([
      part('Re', { id: 'call_abcdefghijkl' }),
      part('ad'),
      input,
      delta({}, 'tool_calls'),
      '[DONE]',
    ]);
    expect(blocks(await odd.ask('chat/m', { stream: true }))).toEqual([['Read', {}]]);
  });

  test('[DONE] may have a trailing space, and data lines no blank line between them', async () => {
    const lines = [delta({ content: 'a' }), delta({ content: 'b' }), stop].map(
      (chunk) => `data: ${JSON.stringify(chunk)}\n`,
    );
    odd.answer = raw(`${lines.join('')}data: [DONE] \n\n`);
    expect(blocks(await odd.ask('chat/m', { stream: true }))).toEqual([['text', 'ab']]);
  });

  test('a content filter in the middle of a call is a refusal', async () => {
    const call = { index: 0, id: 'call_abcdefghijkl', function: { name: 'Read', arguments: '{"a' } };
    odd.answer = sse([delta({ tool_calls: [call] }), delta({}, 'content_filter'), '[DONE]']);
    const { message: cut, error } = await odd.ask('chat/m', { stream: false });
    expect(error).toBeUndefined();
    expect(cut?.stop_reason).toBe('refusal');
  });

  test('a truncated whole answer is a 502 that names the provider once', async () => {
    odd.answer = raw(sseText([delta({ content: 'half' })]));
    const { status, error } = await odd.ask('chat/m', { stream: false, stop_sequences: ['END'] });
    expect(status).toBe(502);
    expect(error?.message.match(/chat/g)).toHaveLength(2);
    expect(error?.message).toBe('chat: chat ended its answer in the middle.');
  });
});
