import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { firstFrame, script } from './support/api.ts';
import { WAIT } from './support/processes.ts';
import { type Receiver, startReceiver, verify } from './support/receiver.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const KEYS = { admin: 'admin-key', viewer: 'viewer-key', other: 'other-key' };
const config = {
  allow_webhook_urls: 'loopback',
  api_keys: [
    { id: 'admin', key: KEYS.admin, role: 'admin' },
    { id: 'viewer', key: KEYS.viewer, role: 'viewer' },
    { id: 'other', key: KEYS.other, role: 'admin', tenant: 'them' },
  ],
};

interface Hook {
  id: string;
  secret: string;
  status: string;
}
interface Delivery {
  id: string;
  type: string;
  state: string;
  attempts: number;
  status: number | null;
  error: string | null;
  next_attempt_at: string | null;
}

let server: TestServer;
let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
  server = await startTestServer({ config });
});
afterAll(async () => {
  await cleanUp(server);
  await receiver.close();
});

const call = <T = Record<string, unknown>>(
  method: string,
  path: string,
  body?: unknown,
  key: keyof typeof KEYS = 'admin',
) => server.call<T>(method, path, body, { headers: { authorization: `Bearer ${KEYS[key]}` } });
const create = async (body: Record<string, unknown> = {}): Promise<Hook> =>
  (await call<Hook>('POST', '/webhooks', { url: receiver.url, ...body })).body;
const deliveriesOf = async ({ id }: Pick<Hook, 'id'>, query = ''): Promise<Delivery[]> =>
  (await call<{ deliveries: Delivery[] }>('GET', `/webhooks/${id}/deliveries${query}`)).body.deliveries;
const newSession = async (key: keyof typeof KEYS = 'admin'): Promise<string> =>
  (await call<{ session_id: string }>('POST', '/sessions', {}, key)).body.session_id;
const remove = ({ id }: Pick<Hook, 'id'>) => call('DELETE', `/webhooks/${id}`);

/** Settles a delivery: waits until its log says so. */
const settled = (hook: Hook, id: string): Promise<Delivery> =>
  vi.waitFor(async () => {
    const found = (await deliveriesOf(hook)).find((each) => each.id === id);
    if (found === undefined || found.state === 'pending') throw new Error(`${id} is ${found?.state}`);
    return found;
  }, WAIT);

describe('what a webhook is told', () => {
  test('is signed as Standard Webhooks says: the published library verifies it', async () => {
    const hook = await create({ events: ['permission.requested', 'permission.resolved', 'turn.completed'] });
    const id = await newSession();
    const stream = await server.openStream(`/sessions/${id}/events`, {
      headers: { authorization: `Bearer ${KEYS.admin}` },
    });
    const message = script({ tools: [{ name: 'Bash', input: { command: 'touch made' } }] }, { say: 'done' });
    const answer = call('POST', `/sessions/${id}/messages`, { message });
    const { data } = await firstFrame(stream, ({ event }) => event === 'permission.requested');
    await vi.waitFor(() => expect(receiver.of('permission.requested')).toHaveLength(1), WAIT);
    await call('POST', `/sessions/${id}/permissions/respond`, {
      request_id: data.data.request_id,
      allowed: true,
    });
    await answer;
    await vi.waitFor(() => expect(receiver.of('turn.completed')).toHaveLength(1), WAIT);

    const [asked] = receiver.of('permission.requested');
    // The event is the one of the stream.
    expect(asked?.message).toEqual({ type: 'permission.requested', timestamp: data.at, data });
    expect(receiver.of('permission.resolved')[0]?.message.data).toMatchObject({
      session_id: id,
      data: { state: 'allowed' },
    });
    for (const each of receiver.all) {
      expect(verify(hook.secret, each)).toEqual(each.message);
      expect(() => verify(hook.secret, { ...each, body: each.body.replace('turn', 'tvrn') })).toThrow();
    }
    expect(receiver.all.map(({ message: { type } }) => type).sort()).toEqual([
      'permission.requested',
      'permission.resolved',
      'turn.completed',
    ]);
    const log = await deliveriesOf(hook);
    expect(log.map(({ id: each }) => each).sort()).toEqual(
      receiver.all.map(({ headers }) => headers['webhook-id']).sort(),
    );
    expect(log[0]).toMatchObject({ state: 'delivered', attempts: 1, status: 200, error: null });
    await remove(hook);
  });

  test('is what happens in its tenant from now on, and nothing else', async () => {
    receiver.all.length = 0;
    const theirs = await newSession('other');
    const hook = await create({ events: ['session.created'] });
    await newSession('other');
    const mine = await newSession();
    await vi.waitFor(() => expect(receiver.all).toHaveLength(1), WAIT);
    expect(receiver.all[0]?.message.data).toMatchObject({ session_id: mine });
    expect(theirs).not.toBe(mine);
    // Others neither see it nor may touch it.
    expect((await call('GET', `/webhooks/${hook.id}`, undefined, 'other')).status).toBe(404);
    expect((await call('DELETE', `/webhooks/${hook.id}`, undefined, 'other')).status).toBe(404);
    expect((await call('GET', '/webhooks', undefined, 'other')).body).toMatchObject({ webhooks: [] });
    expect((await call('GET', '/webhooks', undefined, 'viewer')).status).toBe(403);
    await remove(hook);
  });

  test('can be tried, is told apart by its log, and can be sent again', async () => {
    receiver.all.length = 0;
    const hook = await create();
    expect(JSON.stringify((await call('GET', '/webhooks')).body)).not.toContain(hook.secret);
    const { body } = await call<{ delivery_id: string }>('POST', `/webhooks/${hook.id}/test`);
    await settled(hook, body.delivery_id);
    const again = await call<Delivery>(
      'POST',
      `/webhooks/${hook.id}/deliveries/${body.delivery_id}/redeliver`,
    );
    expect(again.body).toMatchObject({ state: 'pending', attempts: 0 });
    await vi.waitFor(() => expect(receiver.all).toHaveLength(2), WAIT);
    // Receivers recognise it by its id.
    expect(new Set(receiver.all.map(({ headers }) => headers['webhook-id']))).toEqual(
      new Set([body.delivery_id]),
    );
    expect((await call('POST', `/webhooks/${hook.id}/deliveries/none/redeliver`)).body.code).toBe(
      'delivery_not_found',
    );
    await remove(hook);
  });
});

describe('a receiver that fails', () => {
  test.each([
    [500, {}],
    [302, { location: 'http://127.0.0.1:1/' }],
  ])('with %i is tried again later, and the log says why', async (status, headers) => {
    receiver.answer(status, headers);
    const hook = await create();
    const { body } = await call<{ delivery_id: string }>('POST', `/webhooks/${hook.id}/test`);
    await vi.waitFor(async () => {
      const [delivery] = await deliveriesOf(hook, '?state=pending');
      expect(delivery).toMatchObject({
        id: body.delivery_id,
        attempts: 1,
        status,
        error: `The receiver answered ${status}.`,
      });
      const wait = Date.parse(delivery?.next_attempt_at ?? '') - Date.now();
      expect(wait).toBeLessThan(6_100);
    }, WAIT);
    receiver.answer(200);
    await remove(hook);
  });

  test('with 410 wants nothing more: its webhook is disabled', async () => {
    receiver.answer(410);
    const hook = await create();
    const { body } = await call<{ delivery_id: string }>('POST', `/webhooks/${hook.id}/test`);
    expect(await settled(hook, body.delivery_id)).toMatchObject({ state: 'failed', status: 410 });
    expect((await call<Hook>('GET', `/webhooks/${hook.id}`)).body.status).toBe('disabled');
    receiver.answer(200);
    await call('PATCH', `/webhooks/${hook.id}`, { status: 'enabled' });
    await call('POST', `/webhooks/${hook.id}/deliveries/${body.delivery_id}/redeliver`);
    expect(await settled(hook, body.delivery_id)).toMatchObject({ state: 'delivered' });
    await remove(hook);
  });

  test('gets what it missed after our restart too, even when we were killed', async () => {
    receiver.all.length = 0;
    receiver.answer(503);
    const hook = await create({ events: ['session.created'] });
    await newSession();
    await vi.waitFor(() => expect(receiver.all).toHaveLength(1), WAIT);
    await vi.waitFor(async () => {
      expect(await deliveriesOf(hook)).toMatchObject([{ attempts: 1, status: 503 }]);
    }, WAIT);
    await server.kill();
    receiver.answer(200);
    server = await startTestServer({ on: server, config });
    await vi.waitFor(() => expect(receiver.all).toHaveLength(2), WAIT);
    const [first, second] = receiver.all;
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(second?.body).toBe(first?.body);
    verify(hook.secret, second as NonNullable<typeof second>);
    await remove(hook);
  });
});

describe('addresses', () => {
  test.each([
    'http://169.254.169.254/latest/meta-data',
    'http://10.0.0.1/',
    'http://[fd00::1]/',
    'https://example.org/',
  ])('%s is refused where the configuration allows loopback only', async (url) => {
    const { status, body } = await call('POST', '/webhooks', { url });
    expect({ status, code: body.code }).toEqual({ status: 403, code: 'webhook_url_not_allowed' });
  });

  test.each(['ftp://example.org/', 'file:///etc/passwd', 'example.org', 'javascript:alert(1)'])(
    '%s is none',
    async (url) => {
      expect((await call('POST', '/webhooks', { url })).status).toBe(422);
    },
  );

  test('a tenant has 20 webhooks at most', async () => {
    const hooks = await Promise.all(Array.from({ length: 20 }, () => create({ events: ['session.closed'] })));
    const { status, body } = await call('POST', '/webhooks', { url: receiver.url });
    expect({ status, code: body.code }).toEqual({ status: 409, code: 'too_many_webhooks' });
    await Promise.all(hooks.map(remove));
  });
});

test('of the configuration are there after each start, are changed only there, and go with it', async () => {
  const home = join(server.home, 'configured');
  mkdirSync(home);
  const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
  const hook = { name: 'pager', url: receiver.url, events: ['session.created'], secret };
  const start = (webhooks: object[]) =>
    startTestServer({ on: { ...server, home }, args: ['--demo'], config: { ...config, webhooks } });
  const ask = <T = { code?: string }>(on: TestServer, method: string, path: string, body?: unknown) =>
    on.call<T>(method, path, body, { headers: { authorization: `Bearer ${KEYS.admin}` } });
  const listed = async (on: TestServer) =>
    (await ask<{ webhooks: (Hook & { events: string[] })[] }>(on, 'GET', '/webhooks')).body.webhooks;

  const first = await start([hook]);
  const [made] = await listed(first);
  receiver.all.length = 0;
  await ask(first, 'POST', `/webhooks/${made?.id}/test`);
  await vi.waitFor(() => expect(receiver.of('webhook.test')).toHaveLength(1), WAIT);
  for (const each of receiver.all) expect(verify(secret, each)).toEqual(each.message);
  for (const [method, body] of [['PATCH', { status: 'disabled' }], ['DELETE']] as const)
    expect(await ask(first, method, `/webhooks/${made?.id}`, body)).toMatchObject({
      status: 409,
      body: { code: 'webhook_configured' },
    });
  await first.stop();

  const second = await start([{ ...hook, events: ['turn.failed'] }]);
  expect(await listed(second)).toEqual([{ ...made, events: ['turn.failed'] }]);
  await second.stop();

  const third = await start([]);
  expect(await listed(third)).toEqual([]);
  await third.stop();
  await expect(start([{ ...hook, url: 'https://example.org/' }])).rejects.toThrow('"allow_webhook_urls"');
});
