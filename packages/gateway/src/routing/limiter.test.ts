import { expect, test } from 'vitest';
import { createLimiter } from './limiter.ts';

const MINUTE = 60_000;
const here = new AbortController().signal;

test('a client that is gone takes no place and does not wait for one', async () => {
  const limiter = createLimiter();
  const gone = AbortSignal.abort();
  expect(await limiter.enter('p', 1, gone, MINUTE)).toBeUndefined();
  const release = await limiter.enter('p', 1, here, MINUTE);
  expect(release).toBeDefined();
  expect(await limiter.enter('p', 1, gone, MINUTE)).toBeUndefined();
  const next = limiter.enter('p', 1, here, MINUTE);
  release?.();
  expect(await next).toBeDefined();
});
