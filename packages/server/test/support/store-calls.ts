import { randomUUID } from 'node:crypto';
import { event } from '../../src/events/log.ts';
import type { AuditStore } from '../../src/store/audit.ts';
import type { PushStore } from '../../src/store/push.ts';
import type { Change, SessionQuery, Store } from '../../src/store/store.ts';
import type { TranscriptStore } from '../../src/store/transcripts.ts';
import type { WebhookStore } from '../../src/store/webhooks.ts';
import {
  AT,
  importOf,
  sampleAudit,
  sampleDelivery,
  sampleEvent,
  sampleImport,
  sampleKey,
  samplePermission,
  samplePush,
  sampleSession,
  sampleTurn,
  sampleWebhook,
} from './samples.ts';

/** Every way to filter a list of sessions: with and without each field. */
const filters: Omit<SessionQuery, 'limit'>[] = (['all', 'connected'] as const).flatMap((status) =>
  [undefined, '/work'].flatMap((cwd) =>
    // With and without the index: a text of two letters is not in it.
    [undefined, 'text', 'te'].flatMap((q) =>
      [undefined, { a: 1 }].map((metadata) => ({ status, cwd, q, metadata })),
    ),
  ),
);

/** A tenant's sessions, and those of one maker in it. */
const scopes = [{ tenant: 'them' }, { tenant: 'them', createdBy: 'a-key' }];

/** Every question of the interface, in each of its forms. The type makes a new method add its own. */
const questions: Record<
  Exclude<
    keyof Store,
    | 'write'
    | 'orderedFeed'
    | 'ownedNow'
    | 'keys'
    | 'rates'
    | 'watch'
    | 'webhooks'
    | 'push'
    | 'audit'
    | 'close'
  >,
  (store: Store, id: string) => Promise<unknown>[]
> = {
  probe: (store) => [store.probe()],
  countOf: (store, id) =>
    (['live_sessions', 'queued_turns'] as const).flatMap((count) =>
      (['key', 'tenant'] as const).map((of) => store.countOf(count, { of, id })),
    ),
  usageByDay: (store) =>
    [{}, ...scopes].map((scope) => store.usageByDay({ from: '2026-01-01', to: '2026-01-31', scope })),
  usedOn: (store, id) => (['key', 'tenant'] as const).map((of) => store.usedOn('2026-01-01', { of, id })),
  secret: (store) => [store.secret('a purpose', 'a value')],
  tenantUid: (store, id) => [store.tenantUid(id, { first: 1000, count: 1000 })],
  getSession: (store, id) => [store.getSession(id)],
  getSessions: (store, id) => [store.getSessions([id, id])],
  listSessions: (store, id) => [
    ...filters.map((filter) => store.listSessions({ ...filter, limit: 50 })),
    // Of those that are live, and those that are not: by their ids.
    ...filters.map((filter) => store.listSessions({ ...filter, limit: 50, only: [id, 'another'] })),
    ...scopes.map((scope) => store.listSessions({ status: 'connected', limit: 50, scope, only: [id] })),
    store.listSessions({ status: 'connected', limit: 50, without: [id, 'another'] }),
    ...scopes.flatMap((scope) =>
      (['all', 'connected'] as const).map((status) => store.listSessions({ status, limit: 50, scope })),
    ),
  ],
  hiddenSessions: (store) => [store.hiddenSessions()],
  countSessions: (store) => [store.countSessions('connected')],
  conversations: (store, id) => [store.conversations(id)],
  conversation: (store, id) => [store.conversation(id)],
  conversationOwners: (store, id) => [store.conversationOwners([id])],
  pastConversations: (store) => [store.pastConversations()],
  conversationsIn: (store) => scopes.map((scope) => store.conversationsIn(scope)),
  conversationsOutside: (store) => scopes.map((scope) => store.conversationsOutside(scope)),
  whose: (store, id) => [store.whose(id)],
  getTurn: (store, id) => [store.getTurn(id, id)],
  knownTurns: (store, id) => [store.knownTurns(id, [id, id])],
  getTurnByKey: (store, id) => [store.getTurnByKey(id, 'k')],
  listTurns: (store, sessionId) =>
    [undefined, 'queued' as const].flatMap((state) =>
      [undefined, sessionId].map((after) => store.listTurns({ sessionId, state, after, limit: 50 })),
    ),
  openTurns: (store) => [store.openTurns('queued'), store.openTurns('running')],
  unsettledTurns: (store) => [store.unsettledTurns()],
  getPermission: (store, id) => [store.getPermission(id, id)],
  permissionsOfCall: (store, id) => [store.permissionsOfCall(id, id)],
  pendingPermissions: (store) => [
    store.pendingPermissions(),
    store.pendingPermissions({ limit: 50, cursor: '7' }),
    ...scopes.map((scope) => store.pendingPermissions({ limit: 50, scope })),
  ],
  settledPermissions: (store) => [
    store.settledPermissions({ limit: 50 }),
    store.settledPermissions({ limit: 50, cursor: `${AT}~id` }),
    ...scopes.map((scope) => store.settledPermissions({ limit: 50, scope })),
  ],
  readEvents: (store, id) => [store.readEvents(id, 0, 50)],
  firstSeq: (store, id) => [store.firstSeq(id)],
  logSizes: (store) => [store.logSizes('', 50)],
  oldestEvents: (store, id) => [store.oldestEvents(id, 50)],
  history: (store, id) => [store.history(id, { after: 0, until: 99, limit: 50, offset: 0 })],
  turnStart: (store, id) => [store.turnStart(id, id)],
  readControlEvents: (store) => [
    store.readControlEvents(0, 50),
    ...[{}, ...scopes].map((scope) => store.readControlEvents(0, 50, scope)),
  ],
  trimmedCursor: (store) => [store.trimmedCursor()],
  lastCursor: (store) => [store.lastCursor()],
  sessionsWithTasks: (store) => [store.sessionsWithTasks()],
  openWork: (store, id) => [store.openWork(), store.openWork([id, id])],
  sessionUsage: (store, id) => [store.sessionUsage(id)],
  sessionSums: (store, id) => [store.sessionSums([id, id])],
  totalUsage: (store) => [store.totalUsage(), ...scopes.map((scope) => store.totalUsage(scope))],
  sessionCost: (store, id) => [store.sessionCost(id)],
  keyCost: (store) => [store.keyCost('a-key')],
};

/** Every question about keys, and every change of them. */
async function callKeys({ keys }: Store, id: string): Promise<void> {
  await keys.insert(sampleKey({ id }));
  await Promise.all([keys.get(id), keys.byHash(id, AT), keys.ended([id], AT), keys.any()]);
  await Promise.all([keys.list({ limit: 50 }), keys.list({ tenant: 'them', limit: 50 })]);
  await Promise.all([
    keys.change(id, { name: 'b' }),
    keys.rotate(id, 'b', AT),
    keys.used(id, AT),
    keys.revoke(id, AT),
    keys.prune(AT),
  ]);
}

/** Every kind of change, in an order in which each of them takes effect. */
function changes(): Change[] {
  const session = sampleSession();
  const turn = sampleTurn(session.id, { idempotencyKey: 'k' });
  const permission = samplePermission(session.id);
  const usage = {
    model: 'demo',
    inputTokens: 1,
    outputTokens: 1,
    cacheReadInputTokens: 1,
    cacheCreationInputTokens: 1,
    costUsd: 1,
  };
  const named = ({ sessionId, id }: { sessionId: string; id: string }) => ({ sessionId, id });
  const [begin, rows, end] = importOf(sampleImport());
  const byKind: { [K in Change['kind']]: Extract<Change, { kind: K }>[] } = {
    'insert-session': [{ kind: 'insert-session', session }],
    owned: [{ kind: 'owned', sessionId: session.id, fence: 0 }],
    'update-session': [
      { kind: 'update-session', id: session.id, set: { title: 'x', lastActivity: AT } },
      { kind: 'update-session', id: session.id, set: {} },
    ],
    'insert-conversation': [{ kind: 'insert-conversation', id: randomUUID(), sessionId: session.id }],
    'count-message': [{ kind: 'count-message', id: session.id }],
    'insert-turn': [{ kind: 'insert-turn', turn }],
    'update-turn': [
      { kind: 'update-turn', ...named(turn), from: ['queued'], set: { state: 'running' } },
      { kind: 'update-turn', ...named(turn), from: ['queued', 'running'], set: { state: 'failed' } },
    ],
    'insert-permission': [{ kind: 'insert-permission', permission }],
    'settle-permission': [
      {
        kind: 'settle-permission',
        ...named(permission),
        state: 'denied',
        reason: 'timeout',
        resolvedAt: AT,
        resolvedBy: null,
        decision: null,
      },
    ],
    'insert-call': [
      { kind: 'insert-call', call: { id: 'c', sessionId: session.id, turnId: turn.id, kind: 'hook' } },
    ],
    'delete-call': [{ kind: 'delete-call', sessionId: session.id, id: 'c' }],
    'add-usage': [{ kind: 'add-usage', sessionId: session.id, usage }],
    'add-day-usage': [{ kind: 'add-day-usage', tenant: 't', maker: 'm', usage }],
    limit: (['live_sessions', 'queued_turns'] as const).map((count) => ({
      kind: 'limit',
      count,
      tenant: 't',
      maker: 'm',
      maxOfMaker: 9,
      maxOfTenant: 9,
    })),
    'add-key-usage': [{ kind: 'add-key-usage', keyId: 'a-key', costUsd: 1 }],
    // The first one is trimmed, and readers of all sessions would miss it.
    event: [
      event(session.id, 'session.tasks', { tasks: [] }, null, AT) as Extract<Change, { kind: 'event' }>,
      sampleEvent(session.id) as Extract<Change, { kind: 'event' }>,
    ],
    'begin-import': [begin as Extract<Change, { kind: 'begin-import' }>],
    'import-rows': [rows as Extract<Change, { kind: 'import-rows' }>],
    'end-import': [end as Extract<Change, { kind: 'end-import' }>],
    'trim-events': [{ kind: 'trim-events', sessionId: session.id, below: 2 }],
    'hide-session': [{ kind: 'hide-session', id: session.id }],
    // An event, a turn and a request.
    'erase-rows': [1, 2, 3].map(() => ({ kind: 'erase-rows', id: session.id, rows: 50, bytes: 1000 })),
    'erase-session': [{ kind: 'erase-session', id: session.id }],
  };
  return Object.values(byKind).flat();
}

/** Uses a store in every way that its interface has. */
export async function callEverything(store: Store): Promise<void> {
  const written = await store.write(changes());
  if (!written.ok) throw new Error(`change ${written.refused} was refused`);
  const id = randomUUID();
  await Promise.all(Object.values(questions).flatMap((ask) => ask(store, id)));
  await callKeys(store, id);
  await callPush(store.push);
  await callWebhooks(store.webhooks);
  await callAudit(store.audit, id);
}

/** The same of the conversations' files. */
export async function callTranscripts(transcripts: TranscriptStore, session: string): Promise<void> {
  const part = { path: 'a', version: 0, start: 0, data: Buffer.from('a'), first: true };
  const about = { turnId: 't', preview: 'p', title: null };
  const file = { path: 'a', version: 0, size: 1, tail: 't' };
  await transcripts.keep({ sessionId: session, fence: 0 }, session, [{ ...part, whole: file }], about);
  await transcripts.files(session, session);
  for await (const _ of transcripts.read(session, session, file));
  await transcripts.behind(session, session);
  await transcripts.known([session]);
  await transcripts.erased(undefined);
  for (const cwd of [undefined, '/work'])
    for (const roots of [['/'], ['/work']])
      for (const scope of [{}, { tenant: 't' }, { tenant: 't', createdBy: 'k' }]) {
        await transcripts.list({ scope, cwd, roots, limit: 50, after: undefined });
        await transcripts.count({ scope, cwd, roots });
      }
}

async function callPush(push: PushStore): Promise<void> {
  const { tenant, id, owner, ...more } = samplePush();
  await push.vapid({ publicKey: 'p', privateJwk: '{}' });
  await push.put({ tenant, id, owner, ...more }, 0);
  await push.get(tenant, id);
  await push.list(tenant, owner);
  await push.all();
  await push.remove(tenant, id);
}

async function callAudit(audit: AuditStore, sessionId: string): Promise<void> {
  const record = sampleAudit({ sessionId });
  await audit.append([record, sampleAudit({ sessionId, id: `${record.id.slice(0, -1)}1` })]);
  const filters = [{}, { tenant: 'them' }, { actor: 'a-key' }, { sessionId }, { action: 'createKey' }];
  for (const filter of [...filters, { tenant: 'them', actor: 'a-key', sessionId, action: 'createKey' }])
    for (const newestFirst of [true, false]) await audit.list({ ...filter, newestFirst, limit: 50 });
  await audit.prune('1', 50);
}

async function callWebhooks(webhooks: WebhookStore): Promise<void> {
  const [hook, delivery] = [sampleWebhook(), sampleDelivery()];
  const { tenant, webhookId, id } = delivery;
  await webhooks.insert(hook, 0);
  await webhooks.get(tenant, webhookId);
  await webhooks.list(tenant);
  await webhooks.enabled();
  await webhooks.update(tenant, webhookId, { url: 'https://example.org/other' });
  await webhooks.cursor();
  await webhooks.advance(0, 1, [delivery]);
  await webhooks.enqueue({ ...delivery, id: 'other' });
  await webhooks.claim(10, 1000);
  await webhooks.settle(delivery, { state: 'delivered', status: 200, error: null, at: AT });
  await webhooks.again(tenant, webhookId, id);
  for (const state of [undefined, 'failed' as const])
    for (const before of [undefined, { createdAt: AT, id }])
      await webhooks.deliveries({ tenant, webhookId, state, before, limit: 50 });
  await webhooks.forget(id);
  await webhooks.prune(AT);
  await webhooks.remove(tenant, webhookId);
}
