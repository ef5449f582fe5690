import { expect, test } from 'vitest';
import { mergeTurns } from './merge-turns.ts';
import type { ContentBlock, Message, MessagesRequest } from './types.ts';

const call = (id: string): ContentBlock => ({ type: 'tool_use', id, name: 'Read', input: { id } });
const result = (id: string): ContentBlock => ({ type: 'tool_result', tool_use_id: id, content: `of ${id}` });
const request = (messages: Message[]): MessagesRequest => ({ model: 'm', messages });

test('parallel calls and results in a message each are merged into one message of calls and one of results', () => {
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
  expect(merged.messages.map(({ content }) => content)).toEqual([
    [
      { type: 'text', text: 'Hi' },
      { type: 'text', text: 'there' },
    ],
    [call(first ?? ''), call(second ?? '')],
    [result(first ?? ''), result(second ?? '')],
    'one',
    'two',
  ]);
});

test('a conversation with alternating roles is returned unchanged', () => {
  const plain = request([
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content: 'Hello' },
  ]);
  expect(mergeTurns(plain)).toBe(plain);
});
