import { SendMessage } from 'claude-agent-protocol';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { fieldError } from './sentences.ts';

const told = (schema: z.ZodType, value: unknown) =>
  schema.safeParse(value).error?.issues.map((issue) => {
    const { path, message } = fieldError(issue, value, 'body');
    return `${path} ${message}`;
  });

test.each([
  [{}, 'body.message is missing; it has to be a text or a list'],
  [{ message: 7 }, 'body.message has to be a text or a list, not a number'],
  [{ message: [{ type: 'text' }] }, 'body.message.0.text is missing; it has to be a text'],
  [{ message: '' }, 'body.message must not be empty'],
])('%j', (value, words) => {
  expect(told(SendMessage, value)?.[0]).toBe(words);
});

test('a kind that does not fit, and a rule of its own', () => {
  const schema = z.object({ limit: z.int().min(1), on: z.boolean().nullable() });
  expect(told(schema, { limit: 'x', on: 'yes' })).toEqual([
    'body.limit has to be a number, not a text',
    'body.on has to be true or false, not a text',
  ]);
  expect(told(schema, { limit: 0, on: null })?.[0]).toMatch(/^body\.limit .*>=1/);
});
