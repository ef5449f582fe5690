import { createServer, get } from 'node:http';
import { expect, test, vi } from 'vitest';
import { closeHttp, listen } from './listen.ts';

test('a server that closes leaves requests the time to hear of the next owner of their session', async () => {
  const asked = Promise.withResolvers<void>();
  const http = createServer(() => asked.resolve());
  const url = await listen(http, { host: '127.0.0.1', port: 0 });
  let cut = false;
  const answer = new Promise<void>((resolve) => {
    get(url).on('error', () => {
      cut = true;
      resolve();
    });
  });
  await asked.promise;
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval'] });
  try {
    const closed = closeHttp(http, 10_000);
    await vi.advanceTimersByTimeAsync(14_900);
    expect(cut).toBe(false);
    await vi.advanceTimersByTimeAsync(200);
    await Promise.all([answer, closed]);
  } finally {
    vi.useRealTimers();
  }
});
