import { expect, test } from 'vitest';
import { contentOf, messageOf } from './attachments.ts';

const picture = { id: 7, name: 'image', mediaType: 'image/png', data: 'AAAA' };

test.each([
  ['words', []],
  ['words', [picture, { ...picture, id: 8 }]],
  ['', [picture]],
])('a message of "%s" and its pictures is taken apart as it was put together', (text, attachments) => {
  expect(contentOf(messageOf(text, attachments), 'image', 7)).toEqual({ text, attachments });
});

test('a message with something that the composer does not have stays whole', () => {
  const document = {
    type: 'document',
    source: { type: 'text', media_type: 'text/plain', data: 'x' },
  } as const;
  expect(contentOf([document, { type: 'text', text: 'read this' }], 'image', 0)).toBeUndefined();
  const linked = { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } } as const;
  expect(contentOf([linked], 'image', 0)).toBeUndefined();
});
