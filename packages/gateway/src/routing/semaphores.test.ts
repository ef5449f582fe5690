import { expect, test } from 'vitest';
import { createSemaphores } from './semaphores.ts';

const MINUTE = 60_000;
const here = new AbortController().signal;

test('a client that has gone gets no permit and does not queue for one', async () => {
  const semaphores = createSemaphores();
  const gone = AbortSignal.abort();
  expect(await semaphores.acquire('p', 1, gone, MINUTE)).toBeUndefined();
  const release = await semaphores.acquire('p', 1, here, MINUTE);
  expect(release).toBeDefined();
  expect(await semaphores.acquire('p', 1, gone, MINUTE)).toBeUndefined();
  const next = semaphores.acquire('p', 1, here, MINUTE);
  release?.();
  expect(await next).toBeDefined();
});
