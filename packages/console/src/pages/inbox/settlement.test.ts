import { expect, test } from 'vitest';
import { sentenceOf } from './settlement.ts';

const ME = { kind: 'key', id: 'me' } as const;
const answered = (state: 'allowed' | 'denied', name: string | undefined = 'Ada', id = 'ada') => ({
  state,
  reason: 'answered' as const,
  resolved_at: null,
  resolved_by: { kind: 'key' as const, id, ...(name !== undefined && { name }) },
});

test.each([
  ['tool', answered('allowed'), 'Allowed by Ada'],
  ['tool', answered('denied'), 'Denied by Ada'],
  ['tool', { ...answered('denied'), message: 'not now' }, 'Denied by Ada: "not now"'],
  ['question', answered('allowed'), 'Answered by Ada'],
  ['elicitation', answered('denied'), 'Denied by Ada'],
  [
    'tool',
    { ...answered('allowed'), resolved_by: { kind: 'key' as const, id: 'line-3' } },
    'Allowed by line-3',
  ],
  ['tool', answered('allowed', 'Me', 'me'), 'Allowed by you'],
  [
    'tool',
    { ...answered('allowed'), resolved_by: { kind: 'local' as const } },
    "Allowed by a program on the server's machine",
  ],
  [
    'tool',
    { ...answered('denied'), reason: 'timeout' as const, resolved_by: null },
    'Nobody answered in time, so it was denied',
  ],
] as const)('%s %j', (kind, settlement, sentence) => {
  expect(sentenceOf(kind, settlement, ME)).toBe(sentence);
});

test('on a server without keys every answer is one of this machine', () => {
  const settlement = { ...answered('allowed'), resolved_by: { kind: 'local' as const } };
  expect(sentenceOf('tool', settlement, { kind: 'local', id: 'local' })).toBe('Allowed by you');
});
