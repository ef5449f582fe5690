import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { firstFrame, script } from './support/api.ts';
import { WAIT } from './support/processes.ts';
import { type PushService, startPushService } from './support/push-service.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const KEYS = { root: 'root-key', user: 'user-key', viewer: 'viewer-key', other: 'other-key' };
const config = {
  push_contact: 'mailto:ops@example.org',
  allow_push_urls: 'loopback',
  api_keys: [
    { id: 'root', key: KEYS.root, role: 'operator' },
    { id: 'user', key: KEYS.user, role: 'user' },
    { id: 'viewer', key: KEYS.viewer, role: 'viewer' },
    { id: 'other', key: KEYS.other, role: 'admin', tenant: 'them' },
  ],
};

interface Subscription {
  id: string;
  endpoint: string;
}

let server: TestServer;
let service: PushService;
beforeAll(async () => {
  service = await startPushService();
  server = await startTestServer({ config });
});
afterAll(async () => {
  await cleanUp(server);
  await service.close();
});
beforeEach(() => {
  service.answer(201);
  service.all.length = 0;
});

const as = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });
const call = <T = Record<string, unknown>>(method: string, path: string, body?: unknown, key = KEYS.user) =>
  server.call<T>(method, path, body, as(key));
const publicKey = async (): Promise<string> =>
  (await call<{ public_key: string }>('GET', '/push')).body.public_key;
const subscribe = async (key = KEYS.user): Promise<Subscription> =>
  (await call<Subscription>('POST', '/push/subscriptions', service.subscribe(await publicKey()), key)).body;
const subscriptions = async (key = KEYS.user): Promise<Subscription[]> =>
  (await call<{ subscriptions: Subscription[] }>('GET', '/push/subscriptions', undefined, key)).body
    .subscriptions;
const remove = ({ id }: Subscription, key = KEYS.user) =>
  call('DELETE', `/push/subscriptions/${id}`, undefined, key);

/** Asks for a permission in a session of its own; `answer` allows it. */
async function ask(key = KEYS.user) {
  const { body } = await call<{ session_id: string }>('POST', '/sessions', { title: 'Ship it' }, key);
  const { session_id } = body;
  const stream = await server.openStream(`/sessions/${session_id}/events`, as(key));
  const message = script(
    { tools: [{ name: 'Bash', input: { command: 'touch hidden-word' } }] },
    { say: 'done' },
  );
  const turn = call('POST', `/sessions/${session_id}/messages`, { message }, key);
  const { data } = await firstFrame(stream, ({ event }) => event === 'permission.requested');
  const request_id = data.data.request_id as string;
  const answer = async () => {
    await call('POST', `/sessions/${session_id}/permissions/respond`, { request_id, allowed: true }, key);
    return turn;
  };
  return { session_id, request_id, answer };
}
const arrived = (n: number) => vi.waitFor(() => expect(service.all).toHaveLength(n), WAIT);

describe('a browser that has subscribed', () => {
  test('is told of a request: signed, encrypted, and nothing of what it holds', async () => {
    const { id, endpoint } = await subscribe();
    const { session_id, request_id, answer } = await ask();
    await arrived(1);
    await answer();
    const [pushed] = service.all;
    expect(pushed).toMatchObject({
      to: endpoint,
      contact: 'mailto:ops@example.org',
      headers: { urgency: 'high', topic: request_id.replaceAll('-', '') },
    });
    expect(Number(pushed?.headers.ttl)).toBeLessThanOrEqual(300);
    expect(pushed?.message).toEqual({
      type: 'permission',
      session_id,
      request_id,
      session_title: 'Ship it',
      tool_name: 'Bash',
      kind: 'tool',
      expires_at: expect.any(String),
    });
    expect(service.refused).toEqual([]);
    await remove({ id, endpoint });
  });

  test('is told of what its caller may answer: not of what others have, in its tenant and elsewhere', async () => {
    const [mine, roots, theirs] = [
      await subscribe(),
      await subscribe(KEYS.root),
      await subscribe(KEYS.other),
    ];
    const asked = await ask(KEYS.other);
    await arrived(2);
    await asked.answer();
    expect(service.all.map(({ to }) => to).sort()).toEqual([roots.endpoint, theirs.endpoint].sort());
    await remove(mine);
    await remove(roots, KEYS.root);
    await remove(theirs, KEYS.other);
  });

  test('can be tried, and is renewed by the same endpoint', async () => {
    const given = service.subscribe(await publicKey());
    const made = await call<Subscription>('POST', '/push/subscriptions', { ...given, label: 'Phone' });
    const again = await call<Subscription>('POST', '/push/subscriptions', { ...given, label: 'My phone' });
    expect(again.body).toEqual({ ...made.body, label: 'My phone' });
    expect(await subscriptions()).toEqual([again.body]);
    expect(JSON.stringify(again.body)).not.toContain(given.keys.auth);
    await call('POST', `/push/subscriptions/${made.body.id}/test`);
    await arrived(1);
    expect(service.all[0]?.message).toEqual({ type: 'test' });
    await remove(made.body);
    expect((await remove(made.body)).body.code).toBe('push_subscription_not_found');
  });

  test.each([404, 410])('and has ended it, says its push service with %i: it is removed', async (status) => {
    const { id } = await subscribe();
    service.answer(status);
    await call('POST', `/push/subscriptions/${id}/test`);
    await vi.waitFor(async () => expect(await subscriptions()).toEqual([]), WAIT);
  });

  test('is told after a failure of its push service too, unless the request was answered by then', async () => {
    const mine = await subscribe();
    service.answer(503);
    const first = await ask();
    await arrived(1);
    await first.answer();
    const second = await ask();
    await arrived(2);
    service.answer(201);
    // The first attempt is repeated after some five seconds.
    await vi.waitFor(() => expect(service.all.length).toBe(3), { timeout: 12_000, interval: 100 });
    await second.answer();
    const told = service.all.map(({ message }) => message.request_id);
    expect(told).toEqual([first.request_id, second.request_id, second.request_id]);
    await remove(mine);
  });

  test('is told after a restart, signed with the same keys', async () => {
    const mine = await subscribe();
    const before = await publicKey();
    await server.stop();
    server = await startTestServer({ on: server, config });
    expect(await publicKey()).toBe(before);
    const { answer } = await ask();
    await arrived(1);
    await answer();
    await remove(mine);
  });
});

describe('a subscription', () => {
  test('goes with its key', async () => {
    const made = await call<{ key: string; key_id: string }>(
      'POST',
      '/keys',
      { name: 'Ada', role: 'approver' },
      KEYS.root,
    );
    const { key, key_id } = made.body;
    await subscribe(key);
    const mine = await subscribe();
    const asked = await ask();
    await arrived(2);
    await call('DELETE', `/keys/${key_id}`, undefined, KEYS.root);
    await asked.answer();
    const again = await ask();
    await arrived(3);
    await again.answer();
    expect(service.all[2]?.to).toBe(mine.endpoint);
    await remove(mine);
  });

  test('of a viewer is refused, and nobody touches those of others', async () => {
    const given = service.subscribe(await publicKey());
    expect((await call('POST', '/push/subscriptions', given, KEYS.viewer)).status).toBe(403);
    const mine = await subscribe();
    for (const key of [KEYS.root, KEYS.other]) {
      expect((await remove(mine, key)).status).toBe(404);
      expect(await subscriptions(key)).toEqual([]);
    }
    await remove(mine);
  });

  test('needs keys that something can be encrypted for, and an address that the configuration allows', async () => {
    const { endpoint, keys } = service.subscribe(await publicKey());
    const codes = [];
    for (const body of [
      { endpoint, keys: { ...keys, auth: 'AAAA' } },
      { endpoint, keys: { ...keys, p256dh: Buffer.alloc(65, 4).toString('base64url') } },
      { endpoint: 'http://10.0.0.1/push', keys },
      { endpoint: 'https://169.254.169.254/latest', keys },
      { endpoint: 'file:///etc/passwd', keys },
    ])
      codes.push((await call('POST', '/push/subscriptions', body)).body.code);
    const [bad, address] = ['push_keys_invalid', 'push_url_not_allowed'];
    expect(codes).toEqual([bad, bad, address, address, 'validation_failed']);
  });
});

test('push messages are off unless the configuration says who runs the server', async () => {
  const off = await startTestServer({ args: ['--demo'] });
  expect((await off.call('GET', '/push')).body).toEqual({ public_key: null });
  const { status, body } = await off.call('POST', '/push/subscriptions', service.subscribe(''));
  expect([status, body.code]).toEqual([409, 'push_off']);
  await cleanUp(off);
});
