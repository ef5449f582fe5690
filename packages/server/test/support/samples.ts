import { randomUUID } from 'node:crypto';
import type { AuditRecord } from '../../src/store/audit.ts';
import type { KeyRecord } from '../../src/store/keys.ts';
import type { PushSubscriptionRecord } from '../../src/store/push.ts';
import type {
  Change,
  ImportedRows,
  NewEvent,
  PermissionRecord,
  SessionRecord,
  TurnRecord,
  UsageRow,
} from '../../src/store/store.ts';
import type { NewDelivery, WebhookRecord } from '../../src/store/webhooks.ts';

/** The moment of all samples. */
export const AT = '2026-01-02T03:04:05.678Z';

/** A session that any store can keep. */
export const sampleSession = ({ id = randomUUID(), ...set }: Partial<SessionRecord> = {}): SessionRecord => ({
  id,
  conversationId: id,
  createdAt: AT,
  lastActivity: AT,
  status: 'connected',
  title: null,
  metadata: {},
  cwd: '/work',
  worktree: null,
  model: null,
  permissionMode: 'default',
  options: { enable_proxy: false },
  messageCount: 0,
  hasTranscript: false,
  transcriptSeen: null,
  forkedFrom: null,
  createdBy: null,
  tenant: 'default',
  workspace: null,
  secrets: null,
  lastSeq: 0,
  ...set,
});

export const sampleTurn = (sessionId: string, set: Partial<TurnRecord> = {}): TurnRecord => ({
  id: randomUUID(),
  sessionId,
  state: 'queued',
  initiator: 'user',
  input: 'hello',
  idempotencyKey: null,
  inputHash: 'hash',
  waitFor: 'turn',
  urgent: false,
  steers: null,
  continuedAs: null,
  createdAt: AT,
  startedAt: null,
  endedAt: null,
  settledAt: null,
  result: null,
  ...set,
});

export const samplePermission = (
  sessionId: string,
  set: Partial<PermissionRecord> = {},
): PermissionRecord => ({
  id: randomUUID(),
  sessionId,
  turnId: null,
  kind: 'tool',
  toolName: 'Bash',
  toolInput: { command: 'ls' },
  toolUseId: null,
  agentId: null,
  suggestions: [],
  title: null,
  description: null,
  decisionReason: null,
  blockedPath: null,
  durable: false,
  defaultToNo: false,
  requestedAt: AT,
  expiresAt: null,
  state: 'pending',
  reason: null,
  resolvedAt: null,
  resolvedBy: null,
  decision: null,
  ...set,
});

export const sampleKey = (set: Partial<KeyRecord> = {}): KeyRecord => ({
  id: randomUUID(),
  tenant: 'default',
  name: 'a key',
  role: 'user',
  hash: randomUUID(),
  sessionId: null,
  parent: null,
  createdAt: AT,
  createdBy: null,
  expiresAt: null,
  revokedAt: null,
  lastUsedAt: null,
  budgetUsd: null,
  limits: {},
  ...set,
});

export const sampleEvent = (sessionId: string, set: Partial<NewEvent> = {}): Change => ({
  kind: 'event',
  event: { sessionId, turnId: null, type: 'agent.message', at: AT, json: '{"type":"assistant"}', ...set },
});

/** A session of another server, with two events left of five. */
export function sampleImport(): Omit<ImportedRows, 'sessionId'> & {
  session: SessionRecord;
  usage: UsageRow[];
} {
  const session = sampleSession({ status: 'closed', lastSeq: 5, title: 'from afar' });
  const event = {
    sessionId: session.id,
    turnId: null,
    type: 'agent.message',
    at: AT,
    json: '{"a":1}',
  } as const;
  return {
    session,
    conversations: [{ id: session.id, afterSeq: 0, fromDisk: false }],
    turns: [sampleTurn(session.id, { state: 'completed', endedAt: AT, idempotencyKey: 'k' })],
    events: [
      { ...event, seq: 4 },
      { ...event, seq: 5 },
    ],
    usage: [
      {
        model: 'demo',
        inputTokens: 1,
        outputTokens: 1,
        cacheReadInputTokens: 1,
        cacheCreationInputTokens: 1,
        costUsd: 1,
      },
    ],
  };
}

/** What takes it over, in one write. */
export const importOf = ({ session, usage, ...rows }: ReturnType<typeof sampleImport>): Change[] => [
  { kind: 'begin-import', session },
  { kind: 'import-rows', rows: { sessionId: session.id, ...rows } },
  { kind: 'end-import', id: session.id, usage },
];

export const sampleWebhook = (set: Partial<WebhookRecord> = {}): WebhookRecord => ({
  tenant: 'default',
  id: 'hook',
  url: 'https://example.org/hook',
  events: ['turn.completed'],
  secret: 'whsec_AAAA',
  description: null,
  status: 'enabled',
  createdAt: AT,
  createdBy: null,
  since: 0,
  ...set,
});

export const samplePush = (set: Partial<PushSubscriptionRecord> = {}): PushSubscriptionRecord => ({
  tenant: 'default',
  id: 'browser',
  owner: 'key',
  role: 'user',
  endpoint: 'https://push.example.org/1',
  p256dh: 'p',
  auth: 'a',
  label: null,
  createdAt: AT,
  expiresAt: null,
  since: 0,
  ...set,
});

export const sampleDelivery = (set: Partial<NewDelivery> = {}): NewDelivery => ({
  tenant: 'default',
  webhookId: 'hook',
  id: 'delivery',
  type: 'turn.completed',
  sessionId: null,
  body: '{}',
  createdAt: AT,
  ...set,
});

export const sampleAudit = (set: Partial<AuditRecord> = {}): AuditRecord => ({
  id: `${Date.parse(AT).toString(16).padStart(12, '0')}000000000000`,
  at: AT,
  tenant: 'default',
  actorKind: 'key',
  actor: 'a-key',
  role: 'user',
  actorTenant: 'default',
  address: '127.0.0.1',
  userAgent: 'test/1.0',
  requestId: 'r-1',
  action: 'respondPermission',
  method: 'POST',
  sessionId: randomUUID(),
  params: { request_id: 'p', allowed: 'true' },
  status: 200,
  problem: null,
  count: 1,
  ...set,
});
