import { randomUUID } from 'node:crypto';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDemoModel } from 'claude-agent-demo-model';
import { createConfig, createGateway } from 'claude-agent-gateway';
import { createAuditLog } from '../../src/access/audit-log.ts';
import { createIdentify } from '../../src/access/identify.ts';
import { createKeys } from '../../src/access/keys.ts';
import { createLimitKeeper } from '../../src/access/limits.ts';
import { createOpenResponses } from '../../src/access/open-responses.ts';
import { createSealedCookies } from '../../src/access/sealed-cookies.ts';
import { createSessionTokens } from '../../src/access/session-tokens.ts';
import { createSignIn } from '../../src/access/sign-in.ts';
import { combine } from '../../src/access/tool-policy.ts';
import type { Agent } from '../../src/agent/agent.ts';
import { createPeers } from '../../src/agent/peers.ts';
import { createSoleOwnership } from '../../src/cluster/ownership.ts';
import { problem } from '../../src/errors.ts';
import { createFeed } from '../../src/events/feed.ts';
import { createLog } from '../../src/events/log.ts';
import { createRuntimeSessions } from '../../src/http/agentcore/sessions.ts';
import { createApp } from '../../src/http/app.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import { createOrigins } from '../../src/observe/origins.ts';
import { createRecentCalls } from '../../src/observe/recent-calls.ts';
import { makeVapidKeys } from '../../src/push/encode.ts';
import { createSeal } from '../../src/secrets/seal.ts';
import { createVault } from '../../src/secrets/vault.ts';
import { createChoices } from '../../src/sessions/choices.ts';
import { createFolders } from '../../src/sessions/folders.ts';
import { createPolicy } from '../../src/sessions/policy.ts';
import { createSessions, type Sessions } from '../../src/sessions/registry.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import type { Workspaces } from '../../src/workspaces/workspaces.ts';
import { createFakeAgent } from './fake-agent.ts';

/** More than the body of any other request may have. */
export const IMPORT_LIMIT_BYTES = 256 * 1024 * 1024;

/** Everything of a server but sockets and agent processes. */
export interface InProcess {
  fetch(request: Request): Promise<Response>;
  store: Store;
  sessions: Sessions;
  root: string;
  /** What was thrown that nobody foresaw. */
  errors: { what: string; error: unknown }[];
  close(): Promise<void>;
}

export interface InProcessOptions {
  /** Puts something between the server and its store. */
  store?: (real: Store) => Store;
  /** Puts something between the server and its agent. */
  agent?: (fake: Agent) => Agent;
  /** Idle sessions keep their process unless this says otherwise. */
  sleepAfterSeconds?: number;
  /** How many sessions at rest stay in memory. */
  keptSessions?: number;
  /** How many sessions may be open. */
  maxSessions?: number;
}

/** No session has a workspace here, and a snapshot holds nothing. */
const NO_WORKSPACES: Workspaces = {
  prepare: () => Promise.reject(problem('workspace_unavailable', { why: 'There are none.', creating: true })),
  copy: () => Promise.reject(problem('workspace_unavailable', { why: 'There are none.', creating: true })),
  snapshot: async () => ({ id: randomUUID(), bytes: 1 }),
  removeSnapshot: async () => {},
  checkSnapshot: async () => {},
  ready: async () => {},
  begin: async () => () => {},
  isSaved: () => true,
  saved: async () => true,
  abandon: () => {},
  erase: async () => {},
  settleForSaved: async () => {},
  recover: async () => {},
  resumeSaves: async () => {},
  stopWithin: () => {},
  close: async () => {},
};

/** Puts the real parts together as server.ts does, on a store in memory and the fake agent. */
export function createInProcess({
  store: between = (real) => real,
  agent: watch = (fake) => fake,
  sleepAfterSeconds = 0,
  keptSessions,
  maxSessions = 100_000,
}: InProcessOptions = {}): InProcess {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'agent-server-test-')));
  const errors: InProcess['errors'] = [];
  const store = between(openSqliteStore(':memory:'));
  const feed = createFeed();
  const ownership = createSoleOwnership(store);
  const log = createLog({ ownership, feed });
  const agent = watch(createFakeAgent());
  const folders = createFolders([root]);
  const onError = (error: unknown, what: string): void => void errors.push({ what, error });
  const vault = createVault({ named: new Map(), seal: () => createSeal(['a key of the tests']) });
  const policy = createPolicy(
    {
      bypass: 'forbidden',
      auto: true,
      trustProject: false,
      unaskedTools: true,
      commands: true,
      callbackUrls: 'any',
      network: { mode: 'open' },
    },
    folders,
    NO_WORKSPACES,
    undefined,
    vault,
  );
  const keys = createKeys({ table: store.keys, configured: [], cacheMs: 0, onError });
  const limits = createLimitKeeper({
    config: { perKey: {}, perTenant: {}, tenants: new Map() },
    keys,
    store,
    rates: store.rates,
    onRefused() {},
  });
  const sessions = createSessions({
    store,
    limits,
    ownership,
    origins: createOrigins(),
    log,
    feed,
    agent,
    folders,
    defaultModel: 'fake',
    defaultPermissionMode: 'default',
    policy,
    vault,
    workspaces: NO_WORKSPACES,
    postCallback: () => Promise.reject(new Error('the fake agent asks nobody')),
    permissionTimeoutSeconds: 300,
    parkAfterSeconds: 60,
    sleepAfterSeconds,
    ...(keptSessions !== undefined && { keptSessions }),
    maxLiveAgents: 1_000,
    maxQueuedTurns: 1_000,
    maxSessions,
    importFolder: `${root}-import`,
    tally: () => undefined,
    warnings: () => [],
    onError,
  });
  const gateway = createGateway({ config: createConfig(), demo: createDemoModel().fetch });
  const audit = createAuditLog({ store: store.audit, maxAgeDays: undefined, isFirst: () => true, onError });
  const app = createApp({
    store,
    feed,
    agent,
    sessions,
    folders,
    rootsOf: () => folders.roots,
    workspaces: NO_WORKSPACES,
    identifyFrom: createIdentify({ apiKeys: [], tokens: createSessionTokens(), keys }),
    signIn: createSignIn(createSealedCookies(store), undefined),
    oidc: undefined,
    keys,
    audit,
    trustProjectRoles: [],
    openResponses: createOpenResponses(keys.ended, onError),
    limits,
    addressOf: () => undefined,
    peers: createPeers('in-process'),
    host: '127.0.0.1',
    browsers: { origins: [], hosts: [], credentials: false },
    agentcore: false,
    runtimeSessions: createRuntimeSessions(),
    bodyLimitBytes: 1024 * 1024,
    importLimitBytes: IMPORT_LIMIT_BYTES,
    defaultModel: 'fake',
    gateway,
    choices: createChoices({
      policy,
      restrictionsOf: () => combine([]),
      gateway,
      isDirect: false,
      hasClaude: false,
      onlyDemo: true,
      defaultModel: 'fake',
    }),
    operations: {
      processes: { running: () => 0, memoryBytes: async () => 0 },
      maxLiveAgents: 1_000,
      sandbox: { mode: 'off', active: false, network: 'open' },
      settings: [],
    },
    observation: {
      metrics: createMetrics('0.0.0'),
      recentCalls: createRecentCalls(),
      tracing: undefined,
      onRequest() {},
    },
    // Nothing is sent: the routes only note what is to be.
    webhooks: { reach: 'any', kick() {} },
    push: { publicKey: makeVapidKeys().publicKey, reach: 'any' },
    version: '0.0.0',
    onError,
  });
  return {
    fetch: async (request) => app.fetch(request),
    store,
    sessions,
    root,
    errors,
    async close() {
      await sessions.shutdown(0);
      feed.end();
      await audit.stop();
      await store.close();
      for (const folder of [root, `${root}-import`]) rmSync(folder, { recursive: true, force: true });
    },
  };
}
