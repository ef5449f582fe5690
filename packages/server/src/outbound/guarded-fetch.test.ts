import type { lookup } from 'node:dns';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createGuardedFetch, type GuardedFetch } from './guarded-fetch.ts';

let target: Server;
let port: number;
let reached = 0;
beforeAll(async () => {
  target = createServer((request, response) => {
    reached++;
    if (request.url === '/away') response.writeHead(302, { location: 'http://169.254.169.254/' });
    response.end('here');
  });
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  port = (target.address() as AddressInfo).port;
});
afterAll(() => void target.close());

/** A name server of which every name has these addresses, one list for each question. */
function namesLeadTo(...answers: string[][]): { lookup: typeof lookup; asked(): number } {
  let asked = 0;
  const answer = (_: string, __: object, callback: (error: null, found: object[]) => void): void => {
    const addresses = answers[Math.min(asked++, answers.length - 1)] ?? [];
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
  return { lookup: answer as unknown as typeof lookup, asked: () => asked };
}

async function get(guarded: GuardedFetch, host: string, path = '/'): Promise<string> {
  const before = reached;
  try {
    const { status, body } = await guarded.fetch(`http://${host}:${port}${path}`, {
      method: 'GET',
      headers: {},
      signal: AbortSignal.timeout(5_000),
    });
    await body?.cancel();
    return String(status);
  } catch (error) {
    expect(reached).toBe(before);
    return (error as Error).message;
  } finally {
    await guarded.close();
  }
}

test('goes to an address that is allowed, by number and by name', async () => {
  expect(await get(createGuardedFetch('loopback'), '127.0.0.1')).toBe('200');
  expect(await get(createGuardedFetch('loopback', namesLeadTo(['127.0.0.1']).lookup), 'name.example')).toBe(
    '200',
  );
  expect(await get(createGuardedFetch('any'), '127.0.0.1')).toBe('200');
});

test('does not connect to an address that is not, whatever its form', async () => {
  for (const host of ['127.0.0.1', '2130706433', '0x7f.0.0.1', '[::ffff:127.0.0.1]']) {
    expect(await get(createGuardedFetch('public'), host)).toMatch(
      /an address that the configuration does not allow/,
    );
  }
});

test('does not connect where a name leads to an address that is not allowed', async () => {
  const names = namesLeadTo(['127.0.0.1']);
  expect(await get(createGuardedFetch('public', names.lookup), 'rebound.example')).toBe(
    'rebound.example leads to 127.0.0.1, an address that the configuration does not allow',
  );
});

test('of several addresses of a name, only the allowed ones are tried', async () => {
  const names = namesLeadTo(['169.254.169.254', '127.0.0.1']);
  expect(await get(createGuardedFetch('loopback', names.lookup), 'both.example')).toBe('200');
});

test('connects to the address that was compared: a name that leads elsewhere a moment later changes nothing', async () => {
  const names = namesLeadTo(['127.0.0.1'], ['169.254.169.254']);
  expect(await get(createGuardedFetch('loopback', names.lookup), 'rebinding.example')).toBe('200');
  expect(names.asked()).toBe(1);
});

test('follows no redirect', async () => {
  expect(await get(createGuardedFetch('loopback'), '127.0.0.1', '/away')).toBe('302');
});
