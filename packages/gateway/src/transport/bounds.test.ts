import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dialectFixtures } from '../testing/dialects.ts';
import { post, type RunningGateway, startGateway } from '../testing/gateway.ts';
import { type FakeUpstream, startUpstream } from '../testing/upstream.ts';

const MB = 1_048_576;
const junk = Buffer.alloc(MB, 'x');

let upstream: FakeUpstream;
let gateway: RunningGateway;
let contentType = '';
/** Megabytes that the upstream sent before its connection was closed. */
let sent: Promise<number>;

/** Sends until the connection is closed, 400 MB at most. */
async function pour(response: ServerResponse): Promise<number> {
  let count = 0;
  const closed = new Promise<void>((resolve) => response.once('close', resolve));
  while (!response.destroyed && count < 400) {
    if (!response.write(junk)) {
      await Promise.race([closed, new Promise<void>((resolve) => response.once('drain', resolve))]);
    }
    count++;
  }
  response.end();
  return count;
}

beforeAll(async () => {
  upstream = await startUpstream((_, response) => {
    response.writeHead(200, { 'content-type': contentType });
    sent = pour(response);
  });
  const providers = Object.fromEntries(
    dialectFixtures.map((fixture) => [fixture.name, fixture.provider(upstream.url)]),
  );
  gateway = await startGateway({ providers, retries: 0, cool_down_seconds: 0 });
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});

test.each(
  dialectFixtures.flatMap(({ name, contentType: streamed }) => [
    { name, stream: true, type: streamed },
    { name, stream: false, type: 'application/json' },
  ]),
)('an endless answer of $name ($type) is an error soon', async ({ name, stream, type }) => {
  contentType = type;
  const body = { model: `${name}/m`, max_tokens: 9, stream, messages: [{ role: 'user', content: 'hi' }] };
  const answer = await post(gateway.url, body);
  const text = await answer.text();
  expect(answer.status >= 500 || text.includes('event: error')).toBe(true);
  expect(text.length).toBeLessThan(2_000);
  // Some of it waits in the sockets.
  expect(await sent).toBeLessThan(28);
});
