import { Hono } from 'hono';
import { expect, test } from 'vitest';
import type { HttpEnv } from './auth.ts';
import { createAddressOf } from './client-address.ts';

/** The address of a request of this connection, with this header. */
async function addressOf(trusted: string[], remoteAddress: string, forwarded?: string) {
  const app = new Hono<HttpEnv>();
  const find = createAddressOf(trusted);
  app.get('/', (c) => c.text(String(find(c))));
  const headers: Record<string, string> = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
  const env = { incoming: { socket: { remoteAddress } } };
  return (await app.request('/', { headers }, env)).text();
}

test('without trusted proxies the connection says where a request comes from, whatever its headers say', async () => {
  expect(await addressOf([], '::ffff:192.0.2.1', '198.51.100.1')).toBe('192.0.2.1');
  expect(await addressOf(['10.0.0.0/8'], '192.0.2.1', '198.51.100.1')).toBe('192.0.2.1');
});

test('behind trusted proxies it is the last address that is none', async () => {
  const behind = (forwarded?: string) => addressOf(['10.0.0.0/8', '2001:db8::/32'], '10.1.1.1', forwarded);
  expect(await behind('198.51.100.1')).toBe('198.51.100.1');
  expect(await behind('203.0.113.9, 198.51.100.1, 10.2.2.2')).toBe('198.51.100.1');
  expect(await behind('[2001:db9::1]:4711, 2001:db8::5')).toBe('2001:db9::1');
  expect(await behind('198.51.100.1:1234')).toBe('198.51.100.1');
  // What is no address is nobody's word.
  expect(await behind('198.51.100.1, unknown')).toBe('10.1.1.1');
  expect(await behind(undefined)).toBe('10.1.1.1');
  expect(await behind('10.9.9.9')).toBe('10.9.9.9');
});
