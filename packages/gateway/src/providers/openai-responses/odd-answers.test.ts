import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { JsonObject } from '../../messages/types.ts';
import { blocks, type OddUpstream, sse, startOddUpstream } from '../../testing/odd-answers.ts';
import { type FakeAnswer, sendJson } from '../../testing/upstream.ts';

let odd: OddUpstream;
beforeAll(async () => {
  odd = await startOddUpstream();
});
afterAll(() => odd.close());
beforeEach(() => {
  odd.seen.length = 0;
});

describe('Responses', () => {
  const completed = (output: unknown[] = []) => ({
    type: 'response.completed',
    response: { status: 'completed', output },
  });
  const reasoning = { type: 'reasoning', id: 'rs_1', content: [{ type: 'reasoning_text', text: 'because' }] };
  const text = (value: string, id = 'msg_1') => ({
    type: 'message',
    id,
    content: [{ type: 'output_text', text: value }],
  });
  const added = (item: JsonObject, output_index: number) => ({
    type: 'response.output_item.added',
    item,
    output_index,
  });
  const done = (item: JsonObject, more: JsonObject = {}) => ({
    type: 'response.output_item.done',
    item,
    ...more,
  });

  test.each([
    [
      'only in the item’s end',
      sse([done(reasoning, { output_index: 0 }), done(text('so'), { output_index: 1 }), completed()]),
    ],
    ['only at the end of all', sse([completed([reasoning, text('so')])])],
    [
      'whole',
      ((_, response) =>
        sendJson(response, 200, { status: 'completed', output: [reasoning, text('so')] })) as FakeAnswer,
    ],
  ])('reasoning in `content`, %s', async (_, give) => {
    odd.answer = give;
    expect(blocks(await odd.ask('resp/m', { stream: true }))).toEqual([
      ['thinking', 'because'],
      ['text', 'so'],
    ]);
  });

  test('an item whose end has no index is not duplicated', async () => {
    const item = text('once');
    const part = { type: 'response.output_text.delta', item_id: 'msg_1', output_index: 0, delta: 'once' };
    odd.answer = sse([added({ ...item, content: [] }, 0), part, done(item), completed([item])]);
    expect(blocks(await odd.ask('resp/m', { stream: true }))).toEqual([['text', 'once']]);
  });

  test('two messages are two text blocks', async () => {
    odd.answer = sse([completed([text('One.'), text('Two.', 'msg_2')])]);
    expect(blocks(await odd.ask('resp/m', { stream: true }))).toEqual([
      ['text', 'One.'],
      ['text', 'Two.'],
    ]);
  });

  test('an answer of nothing but a search says so, and is not empty', async () => {
    const search = { type: 'web_search_call', id: 'ws_1', status: 'completed' };
    odd.answer = (_, response) => sendJson(response, 200, { status: 'completed', output: [search] });
    const outcome = await odd.ask('resp/m', { stream: false });
    expect(blocks(outcome)).toEqual([['text', expect.stringContaining('web_search_call')]]);
    expect(outcome.headers.get('x-gateway-dropped')).toBe('answer:web_search_call');
  });

  test('a long cache key is hashed, always to the same value', async () => {
    odd.answer = sse([completed([text('x')])]);
    const keys = [];
    for (const session of ['short', 'long'.repeat(20), 'long'.repeat(20)]) {
      const metadata = { user_id: JSON.stringify({ session_id: session }) };
      await odd.ask('resp/m', { stream: true, metadata });
      keys.push(String(odd.seen.at(-1)?.json().prompt_cache_key));
    }
    expect(keys[0]).toBe('short');
    expect(keys[1]?.length).toBeLessThanOrEqual(64);
    expect(keys[1]).not.toBe('undefined');
    expect(keys[2]).toBe(keys[1]);
  });
});
