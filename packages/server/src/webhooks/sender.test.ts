import { createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { hasPostgres, newDatabase } from '../../test/support/postgres.ts';
import { WAIT } from '../../test/support/processes.ts';
import { type Receiver, startReceiver } from '../../test/support/receiver.ts';
import { AT, sampleEvent, sampleSession, sampleWebhook } from '../../test/support/samples.ts';
import { event } from '../events/log.ts';
import { openPostgresStore } from '../store/postgres.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import type { Store } from '../store/store.ts';
import { createWebhookSender, type WebhookSender, type WebhookSenderDeps } from './sender.ts';

const stores: [string, () => Promise<Store[]>][] = [
  [
    'SQLite',
    async () => {
      const store = openSqliteStore(':memory:');
      return [store, store];
    },
  ],
];
if (await hasPostgres()) {
  stores.push([
    'two nodes on PostgreSQL',
    async () => {
      const url = await newDatabase();
      return [await openPostgresStore({ url }), await openPostgresStore({ url })];
    },
  ]);
}

let receiver: Receiver;
let opened: Store[] = [];
let senders: WebhookSender[] = [];
const errors: unknown[] = [];
afterEach(async () => {
  for (const sender of senders) await sender.stop();
  for (const store of new Set(opened)) await store.close();
  await receiver.close();
  [opened, senders] = [[], []];
  expect(errors).toEqual([]);
});

const begin = (store: Store, more: Partial<WebhookSenderDeps> = {}): WebhookSender => {
  const sender = createWebhookSender({
    store,
    reach: 'loopback',
    onError: (error) => errors.push(error),
    ...more,
  });
  sender.start();
  senders.push(sender);
  return sender;
};

describe.each(stores)('on %s', (_, open) => {
  test('each event is sent once, however many servers look for it', async () => {
    receiver = await startReceiver();
    opened = await open();
    const [store] = opened as [Store, Store];
    await store.webhooks.insert(sampleWebhook({ url: receiver.url, events: ['session.closed'] }), 0);
    const session = sampleSession();
    await store.write([{ kind: 'insert-session', session }]);
    for (const each of opened) begin(each, { times: { lookMs: 5 } });
    for (let n = 0; n < 60; n++) {
      await store.write([sampleEvent(session.id), event(session.id, 'session.closed', {}, null, AT)]);
    }
    await vi.waitFor(() => expect(receiver.all.length).toBeGreaterThanOrEqual(60), WAIT);
    const seqs = receiver.all.map(({ message }) => Number(message.data.seq));
    expect(seqs.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (__, n) => 2 * (n + 1)));
    expect(new Set(receiver.all.map(({ headers }) => headers['webhook-id'])).size).toBe(60);
  });
});

test('what was claimed by a node that died is sent by another when the claim is over', async () => {
  receiver = await startReceiver();
  opened = [openSqliteStore(':memory:')];
  const [store] = opened as [Store];
  const hook = sampleWebhook({ url: receiver.url });
  await store.webhooks.insert(hook, 0);
  await store.webhooks.enqueue({
    tenant: hook.tenant,
    webhookId: hook.id,
    id: 'lost',
    type: 'webhook.test',
    sessionId: null,
    body: '{"type":"webhook.test","timestamp":"","data":{}}',
    createdAt: AT,
  });
  expect(await store.webhooks.claim(1, 100)).toHaveLength(1);
  begin(store, { times: { lookMs: 10 } });
  await vi.waitFor(() => expect(receiver.all[0]?.headers['webhook-id']).toBe('lost'), WAIT);
});

test('after the last attempt it is given up', async () => {
  receiver = await startReceiver();
  receiver.answer(500);
  opened = [openSqliteStore(':memory:')];
  const [store] = opened as [Store];
  await store.webhooks.insert(sampleWebhook({ url: receiver.url, events: ['session.closed'] }), 0);
  const session = sampleSession();
  await store.write([{ kind: 'insert-session', session }]);
  await store.write([event(session.id, 'session.closed', {}, null, AT)]);
  const states: string[] = [];
  begin(store, {
    times: { lookMs: 5, backoffMs: [1, 1] },
    metrics: { onWebhook: (state) => states.push(state) },
  });
  await vi.waitFor(() => expect(states).toEqual(['pending', 'pending', 'failed']), WAIT);
  expect(await store.webhooks.deliveries({ tenant: 'default', webhookId: 'hook', limit: 9 })).toMatchObject([
    { state: 'failed', attempts: 3, status: 500, error: 'The receiver answered 500.' },
  ]);
});

test('a receiver that does not answer is left after the time that it has', async () => {
  receiver = await startReceiver();
  opened = [openSqliteStore(':memory:')];
  const [store] = opened as [Store];
  const hook = sampleWebhook({ url: 'http://127.0.0.1:1/' });
  await store.webhooks.insert(hook, 0);
  const hanging = await startHanging();
  await store.webhooks.update(hook.tenant, hook.id, { url: hanging.url });
  await store.webhooks.enqueue({
    tenant: hook.tenant,
    webhookId: hook.id,
    id: 'slow',
    type: 'webhook.test',
    sessionId: null,
    body: '{}',
    createdAt: AT,
  });
  begin(store, { times: { patienceMs: 50, lookMs: 10 } });
  await vi.waitFor(async () => {
    const [delivery] = await store.webhooks.deliveries({ ...hook, webhookId: hook.id, limit: 1 });
    expect(delivery).toMatchObject({ attempts: 1, error: 'The receiver did not answer in time.' });
  }, WAIT);
  await hanging.close();
});

test('an event that is too large is told of without its data, and a spent budget under a type of its own', async () => {
  receiver = await startReceiver();
  opened = [openSqliteStore(':memory:')];
  const [store] = opened as [Store];
  await store.webhooks.insert(
    sampleWebhook({ url: receiver.url, events: ['turn.failed', 'budget.spent'] }),
    0,
  );
  const session = sampleSession();
  await store.write([{ kind: 'insert-session', session }]);
  const error = { code: 'error_max_budget_usd', message: 'x'.repeat(300_000) };
  await store.write([
    {
      kind: 'event',
      event: {
        sessionId: session.id,
        turnId: null,
        type: 'turn.failed',
        at: AT,
        json: JSON.stringify({ result: {}, error }),
      },
    },
  ]);
  begin(store);
  await vi.waitFor(() => expect(receiver.all).toHaveLength(2), WAIT);
  expect(receiver.all.map(({ message }) => message.type).sort()).toEqual(['budget.spent', 'turn.failed']);
  expect(receiver.all[0]?.message.data).toMatchObject({
    session_id: session.id,
    type: 'turn.failed',
    data: { too_large: true },
  });
});

/** Takes requests and never answers. */
async function startHanging(): Promise<{ url: string; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/`,
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
