import { describe, expect, test } from 'vitest';
import { apiKeysSchema, credentialOf } from './api-keys.ts';

test.each([
  ['Authorization alone', { authorization: 'Bearer one' }, 'one'],
  ['x-api-key alone', { 'x-api-key': 'two' }, 'two'],
  ['both: Authorization wins', { authorization: 'bearer one', 'x-api-key': 'two' }, 'one'],
  ['another scheme beside x-api-key', { authorization: 'Basic b25l', 'x-api-key': 'two' }, 'two'],
  ['an empty x-api-key', { 'x-api-key': '' }, undefined],
  ['neither', {}, undefined],
])('the credential of a request with %s', (_, headers, credential) => {
  expect(credentialOf(headers)).toBe(credential);
});

describe('a list of keys is refused', () => {
  test.each([
    [
      'with one id twice',
      [
        { id: 'a', key: 'the-first-key' },
        { id: 'a', key: 'the-second-key' },
      ],
      'the id "a"',
    ],
    [
      'with one key twice',
      [
        { id: 'a', key: 'the-same-key' },
        { id: 'b', key: 'the-same-key' },
      ],
      'the same key',
    ],
  ])('%s', (_, keys, sentence) => {
    expect(apiKeysSchema.safeParse(keys).error?.issues[0]?.message).toContain(sentence);
  });
});
