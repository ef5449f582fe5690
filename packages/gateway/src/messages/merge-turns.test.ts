import { expect, test } from 'vitest';
import { convertRequest } from '../providers/openai-chat/convert-request.ts';
import { mergeTurns } from './merge-turns.ts';
import type { ContentBlock, Message, MessagesRequest } from './types.ts';

const call = (id: string): ContentBlock => ({ type: 'tool_use', id, name: 'Read', input: { id } });
const result = (id: string): ContentBlock => ({ type: 'tool_result', tool_use_id: id, content: `of ${id}` });
const request = (messages: Message[]): MessagesRequest => ({ model: 'm', messages });

test('a call and a result that stand in messages of their own stay call and result', () => {
  const [first, second] = ['toolu_aaaaaaaaaaaa', 'toolu_bbbbbbbbbbbb'];
  const merged = mergeTurns(
    request([
      { role: 'user', content: 'Hi' },
      { role: 'user', content: [{ type: 'text', text: 'there' }] },
      { role: 'assistant', content: [call(first ?? '')] },
      { role: 'assistant', content: [call(second ?? '')] },
      { role: 'user', content: [result(first ?? '')] },
      { role: 'user', content: [result(second ?? '')] },
      { role: 'system', content: 'one' },
      { role: 'system', content: 'two' },
    ]),
  );
  expect(merged.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'system', 'system']);
  const options = { provider: 'p', model: 'm', facts: {}, openai: true, stream: false };
  expect(convertRequest(merged, options).messages).toMatchObject([
    { role: 'user', content: 'Hi\n\nthere' },
    { role: 'assistant', tool_calls: [{ id: first }, { id: second }] },
    { role: 'tool', tool_call_id: first, content: `of ${first}` },
    { role: 'tool', tool_call_id: second, content: `of ${second}` },
    { role: 'system', content: 'one' },
    { role: 'system', content: 'two' },
  ]);
});

test('a conversation whose roles take turns is left as it is', () => {
  const plain = request([
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content: 'Hello' },
  ]);
  expect(mergeTurns(plain)).toBe(plain);
});
