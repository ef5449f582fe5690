import type { Server as HttpServer } from 'node:http';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { createDemoModel } from 'claude-agent-demo-model';
import { createGateway, type ProviderStatus } from 'claude-agent-gateway';
import { DEFAULT_TENANT, SessionOptions } from 'claude-agent-protocol';
import type { Logger } from 'pino';
import { createModelRule } from './access/models.ts';
import { createAccess, requireKey } from './access/open.ts';
import { createRestrictions } from './access/policies.ts';
import { subjectOf } from './access/principal.ts';
import { createClaude } from './agent/claude/index.ts';
import { createLibrary } from './agent/claude/library/library.ts';
import { createMirror } from './agent/claude/mirror/mirror.ts';
import { configDir, sessionEnvironment, usesGateway } from './agent/environment.ts';
import { createPeers } from './agent/peers.ts';
import { createProcesses } from './agent/processes.ts';
import { createTally, type Price } from './agent/tally.ts';
import { configured } from './banner.ts';
import { type Base, type OnError, openAlone } from './base.ts';
import { type Config, ConfigError } from './config.ts';
import { createLog } from './events/log.ts';
import { createAccounts } from './gateway/accounts.ts';
import { createFailureReasons } from './gateway/failure-reasons.ts';
import { createRuntimeSessions } from './http/agentcore/sessions.ts';
import { createSockets } from './http/agentcore/sockets.ts';
import { createApp } from './http/app.ts';
import { createAddressOf } from './http/client-address.ts';
import { closeHttp, listen } from './http/listen.ts';
import { MOVES_WITHIN_MS } from './http/mount.ts';
import { createHttpServer } from './http/target.ts';
import { inOrder } from './in-order.ts';
import { type Home, takeHome } from './lock.ts';
import { startObservation } from './observe/observation.ts';
import { watchLog } from './observe/watched-log.ts';
import { watchProcesses } from './observe/watched-processes.ts';
import type { WriteObserver } from './observe/watched-store.ts';
import { mayBypass, networkOfAgents, openSandbox } from './open-sandbox.ts';
import { createGuardedFetch } from './outbound/guarded-fetch.ts';
import { createPush } from './push/push.ts';
import { openVault } from './secrets/open.ts';
import { createPostCallback } from './sessions/callback-url.ts';
import { createChoices } from './sessions/choices.ts';
import { createFolders } from './sessions/folders.ts';
import { createPolicy } from './sessions/policy.ts';
import { createSessions } from './sessions/registry.ts';
import { createRetention } from './sessions/retention.ts';
import { asStartError } from './start-error.ts';
import { redactUrl } from './store/redact-url.ts';
import { VERSION } from './version.ts';
import { applyConfigured } from './webhooks/configured.ts';
import { createWebhookSender } from './webhooks/sender.ts';
import { inWorkspaces } from './workspaces/agent.ts';
import { createObjects } from './workspaces/create-objects.ts';
import { createPlaces, openFolder } from './workspaces/local.ts';
import { createWorkspaces } from './workspaces/workspaces.ts';

/** Delay between two words of the demo model: slow enough to see, fast enough to wait for. */
const DEMO_WORD_DELAY_MS = 15;

/** A running server. */
export interface Server {
  url: string;
  /** Providers that the gateway has a credential for. */
  providers: ProviderStatus[];
  /** Shuts down in order: settles everything, ends every agent process, closes the store. */
  close(): Promise<void>;
}

/**
 * Builds and starts a server.
 * @throws ConfigError when the home folder, the database or the address is not available
 */
export async function startServer(config: Config, logger: Logger): Promise<Server> {
  const home = await takeHome(config.home);
  try {
    return await compose(home, config, logger);
  } catch (error) {
    home.release();
    throw asStartError(
      error,
      config.database ? redactUrl(config.database.url) : join(home.folder, 'server.db'),
    );
  }
}

/** What stands under everything else, as the configuration says: a file in the home, or a database that servers share. */
async function openBase(
  home: Home,
  config: Config,
  onError: OnError,
  observer: WriteObserver,
): Promise<Base> {
  const { database } = config;
  if (!database) return openAlone(home, observer);
  // Loaded only where it is used.
  const { openNode } = await import('./node.ts');
  return openNode({ ...config, database }, home, onError, observer);
}

/** The composition root: everything is created and wired here. */
async function compose(home: Home, config: Config, logger: Logger): Promise<Server> {
  const onError = (error: unknown, what: string): void => logger.error({ err: error }, `failed to ${what}`);
  const observation = await startObservation(config.env, VERSION, logger);
  const { metrics, origins } = observation;
  const base = await openBase(home, config, onError, observation);
  const { store, feed, ownership } = base;
  const log = watchLog(createLog({ ownership, feed }), metrics);
  const { isFirst } = base;
  const access = createAccess({ ...config, store, isFirst, onRefused: metrics.onLimit, onError });
  const { tokens, keys, openResponses, audit } = access;
  const addressOf = createAddressOf(config.trustedProxies);
  const restrictionsOf = createRestrictions(config);
  const accounts = createAccounts({ store, keyBudget: keys.budget, limits: access.limits, onError });
  const refuseModel = createModelRule(config, restrictionsOf, store);
  const gateway = createGateway({
    config: config.gateway,
    onFailure: (subject, failure) => reasons.note(subject, failure),
    demo: createDemoModel({ wordDelayMs: DEMO_WORD_DELAY_MS }).fetch,
    // The request has passed `auth.ts`; only its principal matters here.
    authorize: async (headers) => ({ ok: true, subject: subjectOf(await access.identify(headers)) }),
    budget: accounts,
    ...(refuseModel && { refuseModel }),
    onUsage(record) {
      accounts.book(record);
      observation.onModelCall(record);
    },
    ...observation.gateway,
    log: ({ level, message, ...more }) => logger[level](more, message),
  });
  const providers = configured(gateway.providers());
  const hasProvider = (name: string): boolean => providers.some(({ id }) => id === name);
  const reasons = createFailureReasons(gateway, {
    credential: config.credential,
    claude: hasProvider('anthropic'),
  });
  const price: Price = (model, usage) => gateway.costOf('anthropic', model, usage);
  const folders = createFolders(config.roots);
  // Without any credential there is nothing else that could answer.
  const onlyDemo = config.demo || (config.credential === undefined && providers.length === 0);
  const defaultModel = config.model ?? (onlyDemo ? 'demo' : undefined);
  let url = '';
  let http: HttpServer | undefined;
  const sandbox = await openSandbox(config, home, logger, {
    store,
    tokens,
    hasProviders: providers.length > 0,
    answer: (request, response) => http?.emit('request', request, response),
  });
  const bypass = mayBypass(config, sandbox !== undefined, logger);

  const library = createLibrary({
    projects: join(configDir(config.env), 'projects'),
    file: home.file('transcripts.db'),
  });
  const { processes, counts } = watchProcesses(createProcesses(home.instance, base.lease));
  base.onLease(processes.renew, processes.killAll);
  const claude = createClaude({
    library,
    mirror:
      base.transcripts &&
      createMirror({
        folder: configDir(config.env),
        transcripts: base.transcripts,
        store,
        fence: ownership.fence,
        onError,
      }),
    processes,
    sandbox,
    allowBypassPermissions: bypass === 'allowed',
    spares: {
      count: config.spares,
      folder: join(home.folder, 'spare'),
      onError: (error) => onError(error, 'start an agent ahead'),
    },
    link(session) {
      const { sessionId } = session;
      const token = tokens.mint(sessionId);
      const meter = usesGateway(config, session) ? accounts.meter(sessionId) : undefined;
      return {
        env: {
          ...sessionEnvironment(config, session, { url, token, contextOf: gateway.contextOf }),
          ...sandbox?.environment(session),
        },
        meter,
        explain: (words) => reasons.explain(sessionId, session, words),
        end() {
          reasons.forget(sessionId);
          tokens.revoke(token);
          meter?.end();
        },
      };
    },
    price,
  });
  const workspaces = createWorkspaces({
    store,
    log,
    objects: createObjects(config.workspaces),
    places: createPlaces(openFolder(config.workspaces.folder), home.instance),
    env: config.env,
    maxBytes: config.workspaces.maxBytes,
    timeoutSeconds: config.workspaces.timeoutSeconds,
    gitUrls: config.workspaces.gitUrls,
    checkFolder: folders.check,
    give: sandbox?.users?.give,
    onError,
  });
  const agent = inWorkspaces(claude, workspaces);
  const vault = openVault(config, home);
  const policy = createPolicy(
    {
      bypass,
      auto: config.allowUnaskedTools === true || config.defaultPermissionMode === 'auto',
      trustProject: config.allowTrustProject,
      unaskedTools: config.allowUnaskedTools,
      callbackUrls: config.allowCallbackUrls,
      commands: config.allowCommands,
      network: networkOfAgents(config, sandbox, providers.length > 0),
      defaultModel,
    },
    folders,
    workspaces,
    restrictionsOf,
    vault,
    sandbox?.users,
  );
  const callbacks = createGuardedFetch(config.allowCallbackUrls);
  const sessions = createSessions({
    store,
    limits: access.limits,
    ownership,
    origins,
    log,
    feed,
    agent,
    folders,
    workspaces,
    vault,
    defaultModel,
    defaultPermissionMode: config.defaultPermissionMode,
    policy,
    postCallback: createPostCallback(callbacks),
    permissionTimeoutSeconds: config.permissionTimeoutSeconds,
    parkAfterSeconds: config.parkAfterSeconds,
    sleepAfterSeconds: config.sleepAfterSeconds,
    maxLiveAgents: config.maxLiveAgents,
    maxQueuedTurns: config.maxQueuedTurns,
    maxSessions: config.maxSessions,
    importFolder: join(home.folder, 'import'),
    tally: ({ options, ...session }) =>
      usesGateway(config, { options: policy.handed(options, session) }) ? undefined : createTally(price),
    warnings: (session) => reasons.warnings(session),
    onError,
  });
  metrics.watch({ sessions: sessions.atWork, store, processes: counts, maxLiveAgents: config.maxLiveAgents });
  const reach = config.allowWebhookUrls;
  const push = config.push && (await createPush({ ...config.push, ...access, store }));
  const webhooks = createWebhookSender({ store, reach, others: push, metrics, onError });
  observation.onControlEvent(webhooks.kick);
  const peers = createPeers(home.instance);
  const runtimeSessions = createRuntimeSessions();
  const app = createApp({
    ...access,
    store,
    feed,
    agent,
    sessions,
    folders,
    rootsOf: policy.roots,
    choices: createChoices({
      policy,
      restrictionsOf,
      gateway,
      isDirect: config.credential !== undefined,
      hasClaude: hasProvider('anthropic'),
      onlyDemo,
      defaultModel,
    }),
    workspaces,
    addressOf,
    trustProjectRoles: config.trustProjectRoles,
    peers,
    runtimeSessions,
    host: config.host,
    browsers: config.browsers,
    agentcore: config.agentcore,
    bodyLimitBytes: config.bodyLimitBytes,
    importLimitBytes: config.importLimitBytes,
    defaultModel,
    gateway,
    ...(base.nodes && { nodes: base.nodes }),
    operations: {
      processes: counts,
      maxLiveAgents: config.maxLiveAgents,
      sandbox: {
        mode: config.sandbox.mode,
        active: sandbox !== undefined,
        network: config.sandbox.network.mode,
      },
      settings: config.shown,
    },
    observation,
    webhooks,
    push,
    version: VERSION,
    onError: (error, what) => onError(error, `answer ${what}`),
  });

  const { host, browsers, bodyLimitBytes } = config;
  const sockets = createSockets({
    app,
    runtimeSessions,
    peers,
    addressOf,
    host,
    browsers,
    bodyLimitBytes,
    onError,
  });
  try {
    await requireKey(config, keys);
    await applyConfigured(store, config.webhooks, config.allowWebhookUrls);
    await sessions.recover();
    http = createHttpServer(getRequestListener(app.fetch));
    if (config.agentcore) http.on('upgrade', sockets.upgrade);
    url = await listen(http, config);
    const itself = gateway.findSelf([new URL(url).host]);
    const { errors, warnings } = gateway.check();
    if (itself || errors.length > 0) throw new ConfigError(itself ?? errors.join('\n'));
    for (const warning of warnings) logger.warn(`gateway: ${warning}`);
    // Nobody knows yet whose the first session will be.
    if (!sandbox?.users)
      agent.expect({
        model: defaultModel,
        options: SessionOptions.parse({}),
        cwd: config.roots[0] ?? '',
        tenant: DEFAULT_TENANT,
      });
    await base.join(url, sessions);
  } catch (error) {
    http?.close();
    gateway.close();
    await agent.close();
    await base.leave();
    await store.close();
    throw error;
  }
  sessions.resumeQueued();
  webhooks.start();
  const retention = createRetention({
    store,
    limits: config.retention,
    isDue: base.isFirst,
    onError: (error) => onError(error, 'shorten the event logs'),
  });

  return {
    url,
    providers,
    // First the agents, then the connections, then the store, and the home when nothing can write to it any more.
    close: () =>
      inOrder([
        () => base.drain(),
        async () => {
          const unwritten = await sessions.shutdown(config.shutdownGraceSeconds);
          if (unwritten > 0) {
            throw new Error(
              `The store could not be written (is the disk full?), so the end of ${unwritten} sessions is not recorded. The next start settles them.`,
            );
          }
        },
        // A connection that comes when the port closes would be reset, and a proxy cannot know that nothing was read from it.
        () => base.noticed(),
        () => retention.stop(),
        () => processes.release(),
        () => feed.end(),
        () => sandbox?.close(),
        () => openResponses.stop(),
        () => sockets.close(),
        () => closeHttp(http, base.nodes ? MOVES_WITHIN_MS : 0),
        () => audit.stop(),
        () => gateway.close(),
        () => callbacks.close(),
        () => webhooks.stop(),
        () => agent.close(),
        () => base.leave(),
        () => store.close(),
        () => home.release(),
        () => observation.close(),
      ]),
  };
}
