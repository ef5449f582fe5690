import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { ConfigError, type GatewayConfig, keyConflict } from 'claude-agent-gateway';
import {
  DEFAULT_HOST,
  DEFAULT_PORT,
  DEFAULT_TENANT,
  isLoopback,
  MAX_PERMISSION_TIMEOUT_SECONDS,
  PermissionMode,
} from 'claude-agent-protocol';
import { z } from 'zod';
import { ACCESS_FIELDS, type AccessConfig, readAccess, readIssuers } from './access/access-config.ts';
import { type ApiKey, ApiKeys } from './access/config-keys.ts';
import { POLICY_FIELDS, type PolicyConfig, readPolicies, withRealRoots } from './access/policies.ts';
import { agentsThatFit } from './agent/agents-that-fit.ts';
import { findCredential } from './agent/environment.ts';
import { DATABASE_FIELDS, type DatabaseConfig, readDatabase } from './database-config.ts';
import { readGateway } from './gateway-config.ts';
import { NODE_SETTINGS, type NodeConfig, readNode } from './node-config.ts';
import { OUTBOUND_FIELDS, type OutboundConfig, readOutbound } from './outbound-config.ts';
import { readSandbox, SANDBOX_FIELDS, type SandboxConfig } from './sandbox-config.ts';
import { readSecrets, type SecretsConfig, secretFiles } from './secrets-config.ts';
import { createSettingNames, type Mistake, type Sources } from './setting-sources.ts';
import { type ShownSetting, shownSettings } from './shown-settings.ts';
import type { RetentionLimits } from './store/store.ts';
import { type ConfiguredWebhooks, WEBHOOK_FIELDS } from './webhooks/configured.ts';
import { readWorkspaces, type WorkspaceConfig, WorkspaceSettings } from './workspace-config.ts';

export { ConfigError } from 'claude-agent-gateway';

const LogLevel = z.enum(['silent', 'error', 'warn', 'info', 'debug']);

/** What is kept of each session's event log. A limit that is left out does not exist. */
const Retention = z.strictObject({
  max_age_days: z.number().positive().optional(),
  max_events: z.int().min(1).optional(),
  max_bytes: z.int().min(1).optional(),
});

/** The configuration file. Flags override the environment, the environment overrides the file. */
const ConfigFile = z.strictObject({
  $schema: z.string().optional(),
  agentcore: z.boolean().optional(),
  host: z.string().min(1).optional(),
  port: z.int().min(0).max(65535).optional(),
  home: z.string().min(1).optional(),
  roots: z.array(z.string().min(1)).min(1).optional(),
  demo: z.boolean().optional(),
  model: z.string().min(1).optional(),
  api_keys_file: z.string().min(1).optional(),
  ...DATABASE_FIELDS,
  allow_bypass_permissions: z.boolean().optional(),
  allow_trust_project: z.boolean().optional(),
  allow_unasked_tools: z.union([z.literal(true), z.array(z.string().min(1))]).optional(),
  allow_commands: z.boolean().optional(),
  ...OUTBOUND_FIELDS,
  ...WEBHOOK_FIELDS,
  ...ACCESS_FIELDS,
  default_permission_mode: PermissionMode.optional(),
  permission_timeout_seconds: z.number().min(0).max(MAX_PERMISSION_TIMEOUT_SECONDS).optional(),
  park_after_seconds: z.number().min(0).max(MAX_PERMISSION_TIMEOUT_SECONDS).optional(),
  sleep_after_seconds: z.number().min(0).max(MAX_PERMISSION_TIMEOUT_SECONDS).optional(),
  max_live_agents: z.int().min(1).optional(),
  max_queued_turns: z.int().min(0).optional(),
  max_sessions: z.int().min(1).optional(),
  body_limit_bytes: z.int().min(1024).optional(),
  import_limit_bytes: z.int().min(1024).optional(),
  shutdown_grace_seconds: z.number().min(0).optional(),
  spares: z.int().min(0).max(16).optional(),
  retention: Retention.optional(),
  workspaces: WorkspaceSettings.optional(),
  ...SANDBOX_FIELDS,
  ...NODE_SETTINGS,
  pass_env: z.array(z.string().min(1)).optional(),
  api_keys: ApiKeys.optional(),
  ...POLICY_FIELDS,
  gateway: z.record(z.string(), z.unknown()).optional(),
  log_level: LogLevel.optional(),
});

type Settings = z.infer<typeof ConfigFile>;

/** All settings, read once at the start and frozen. */
export interface Config extends NodeConfig, PolicyConfig, AccessConfig, OutboundConfig, SecretsConfig {
  /** Amazon Bedrock AgentCore calls /invocations, /ping and /ws, and authenticates its callers. */
  agentcore: boolean;
  host: string;
  port: number;
  /** The server's own folder: database and lock. */
  home: string;
  /** Where the sessions are kept; undefined for a file in `home`. Holds a password: never shown. */
  database: DatabaseConfig | undefined;
  /** Real paths; a session's cwd must be inside one of them. The first is the default cwd. */
  roots: readonly string[];
  /** True: the user wants the built-in demo model to answer every model call. */
  demo: boolean;
  /** The console is opened in a browser at the start. */
  open: boolean;
  /** What was set, for operators to see. */
  shown: readonly ShownSetting[];
  /** The source of the agent's credential; without one, all model calls go through the gateway. */
  credential: string | undefined;
  /** Default model of new sessions; undefined leaves it to the agent. */
  model: string | undefined;
  apiKeys: readonly ApiKey[];
  /** Other machines can reach it, and the configuration has no key: one must have been made here. */
  needsKey: boolean;
  gateway: GatewayConfig;
  allowBypassPermissions: boolean;
  /** Whether sessions may run programs that their folder brings. */
  allowTrustProject: boolean;
  /** Tools that callers may let run without asking, besides read-only ones: all, or these tools and rules. */
  allowUnaskedTools: true | readonly string[];
  /** Whether callers may start commands as MCP servers. */
  allowCommands: boolean;
  webhooks: ConfiguredWebhooks;
  defaultPermissionMode: PermissionMode;
  permissionTimeoutSeconds: number;
  /** So long does an agent process wait for a permission that can do without it. */
  parkAfterSeconds: number;
  /** How long an idle agent process is kept; 0 for no limit. */
  sleepAfterSeconds: number;
  /** The most agent processes at a time. */
  maxLiveAgents: number;
  /** The most messages that wait, over all sessions. */
  maxQueuedTurns: number;
  /** The most open sessions. */
  maxSessions: number;
  bodyLimitBytes: number;
  /** Of an imported session. */
  importLimitBytes: number;
  shutdownGraceSeconds: number;
  /** How many agent processes are kept ready for new sessions. */
  spares: number;
  /** Limits of each session's event log. */
  retention: RetentionLimits;
  workspaces: WorkspaceConfig;
  sandbox: SandboxConfig;
  /** The server's environment; agent processes get a part of it. */
  env: Readonly<Record<string, string | undefined>>;
  /** Further variables of the server's environment that agent processes get. */
  passEnv: readonly string[];
  logLevel: z.infer<typeof LogLevel>;
}

export const USAGE = `Usage: claude-agent-server [options]
       claude-agent-server config check [options]      say what is wrong with flags, environment and file, and what is set
       claude-agent-server backup FILE [--home DIR]    save database and transcripts, also of a running server
       claude-agent-server keys …                      make and revoke keys; see claude-agent-server keys help
       claude-agent-server restore FILE [--home DIR]   put a backup into an empty home
       claude-agent-server migrate --from HOME --to URL  move the sessions of a home into PostgreSQL (--help: more)

  --host ADDRESS   address to listen on (default ${DEFAULT_HOST}; other than loopback needs an API key)
  --port PORT      port to listen on; 0 picks a free one (default ${DEFAULT_PORT})
  --home DIR       the server's own folder (default ~/.claude-agent-server)
  --database-url URL  keep sessions in PostgreSQL (postgres://USER@HOST/NAME) instead of a file in the home; servers
                   on one database are nodes of a cluster
  --root DIR       folder that sessions may work in; repeatable (default: the current folder)
  --config FILE    JSON file with these and further settings (see README)
  --workspaces DIR folder for the workspaces of sessions (default: workspaces in the home)
  --spares N       agent processes kept ready for new sessions, 250 MB each (default 1; 0: none)
  --max-live-agents N  agent processes at a time (default: one for each 200 MB of memory)
  --node-address URL  where the other servers reach this one (default: where it listens)
  --heartbeat-seconds N  how often they hear that it is alive (default 2)
  --lease-seconds N    so long after the last word its sessions go on elsewhere (default 6)
  --drain-seconds N    at a shutdown, so long for load balancers to notice (default 2)
  --sandbox MODE   run agents in bubblewrap: auto (where it works), required, or off (default);
                   or in containers: docker:IMAGE, podman:IMAGE
  --agentcore      serve Amazon Bedrock AgentCore: 0.0.0.0:8080, /invocations, /ping and /ws without a key
  --demo           answer every model call with the built-in demo model
  --open           open the console in a browser when the server is ready
  --help           show this text

Every setting of the file is also a flag and a variable: max_sessions, --max-sessions, AGENT_SERVER_MAX_SESSIONS; a part
of one as retention.max_events, --retention-max-events, AGENT_SERVER_RETENTION_MAX_EVENTS. Lists: repeat the flag, or commas in the
variable. --no-NAME turns off what is on. api_keys, gateway and webhooks have no flag, because everybody sees the list of processes.
Environment: also AGENT_SERVER_API_KEY (one key), ANTHROPIC_MODEL, and the agent's credentials (ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, CLAUDE_CODE_OAUTH_TOKEN, ...).`;

/** Where AgentCore expects an agent. */
const AGENTCORE_PORT = 8080;

/** The configuration file as JSON schema. */
export const configSchema = () => z.toJSONSchema(ConfigFile, { io: 'input', unrepresentable: 'any' });

const OWN_FLAGS = {
  config: { type: 'string' },
  help: { type: 'boolean' },
  open: { type: 'boolean' },
} as const;

/** Flags, environment and file, as far as they could be read. */
export interface Examined {
  help: boolean;
  open: boolean;
  leaves: ReturnType<typeof createSettingNames>['leaves'];
  sources: Sources<Settings>;
  /** What settings mean on this machine and together, by setting. Each throws a ConfigError. */
  read: ReturnType<typeof createReaders>;
}

/**
 * Reads flags, environment and file.
 * @throws ConfigError when the flags cannot be told apart
 */
export function examine(argv: string[], env: NodeJS.ProcessEnv): Examined {
  const names = createSettingNames(configSchema());
  const flags = readFlags(argv, names.flags);
  const file = typeof flags.config === 'string' ? flags.config : undefined;
  const sources = names.merge({ flags, env, file, schema: ConfigFile });
  const folder = flags.workspaces ?? flags['workspaces-folder'];
  const read = createReaders(sources, env, file, typeof folder === 'string' ? folder : undefined);
  return { help: flags.help === true, open: flags.open === true, leaves: names.leaves, sources, read };
}

/**
 * Reads flags, environment and file into one frozen Config.
 * @param argv the arguments after the program's name
 * @returns 'help' if the user asks for the usage
 * @throws ConfigError with a sentence for the user
 */
export function readConfig(argv: string[], env: NodeJS.ProcessEnv): Config | 'help' {
  const { help, open, leaves, sources, read } = examine(argv, env);
  if (help) return 'help';
  if (sources.mistakes.length > 0) throw new ConfigError(sources.mistakes.map(lineOf).join('\n'));
  const { settings } = sources;
  const sandbox = read.sandbox();
  return Object.freeze<Config>({
    agentcore: settings.agentcore ?? false,
    host: read.host(),
    port: settings.port ?? (settings.agentcore ? AGENTCORE_PORT : DEFAULT_PORT),
    home: homeOf(settings.home, env),
    database: read.database_url(),
    roots: read.roots(),
    demo: settings.demo ?? false,
    open,
    shown: shownSettings(leaves, settings, sources.whereIs),
    // Model keys do not enter a sandbox whose network is limited: its agents use the gateway.
    credential: settings.demo || sandbox.network.mode !== 'open' ? undefined : findCredential(env),
    model: read.model(),
    apiKeys: read.api_keys(),
    // Only the platform reaches a machine of AgentCore.
    needsKey:
      !settings.agentcore &&
      !isLoopback(read.host()) &&
      read.api_keys().length === 0 &&
      !(settings.jwt ?? settings.oidc),
    gateway: read.gateway(),
    allowBypassPermissions: settings.allow_bypass_permissions ?? false,
    allowTrustProject: settings.allow_trust_project ?? false,
    // With leave to bypass every question, anything may run.
    allowUnaskedTools: settings.allow_unasked_tools ?? (settings.allow_bypass_permissions || []),
    ...readOutbound(settings),
    webhooks: settings.webhooks ?? [],
    ...readAccess(settings),
    ...read.secrets(),
    allowCommands: settings.allow_commands ?? settings.allow_bypass_permissions ?? false,
    defaultPermissionMode: settings.default_permission_mode ?? 'default',
    permissionTimeoutSeconds: settings.permission_timeout_seconds ?? 300,
    parkAfterSeconds: settings.park_after_seconds ?? 60,
    sleepAfterSeconds: settings.sleep_after_seconds ?? 300,
    maxLiveAgents: settings.max_live_agents ?? agentsThatFit(),
    maxQueuedTurns: settings.max_queued_turns ?? 1_000,
    maxSessions: settings.max_sessions ?? 100_000,
    bodyLimitBytes: settings.body_limit_bytes ?? 10 * 1024 * 1024,
    importLimitBytes: settings.import_limit_bytes ?? 10 * 1024 ** 3,
    shutdownGraceSeconds: settings.shutdown_grace_seconds ?? 5,
    spares: settings.spares ?? 1,
    retention: {
      maxAgeDays: settings.retention?.max_age_days,
      maxEvents: settings.retention?.max_events,
      maxBytes: settings.retention?.max_bytes,
    },
    workspaces: read.workspaces(),
    sandbox,
    ...read.lease_seconds(),
    ...read.policy(),
    env: Object.freeze({ ...env }),
    passEnv: settings.pass_env ?? [],
    logLevel: settings.log_level ?? 'info',
  });
}

/** @param workspaces the folder of workspaces, if a flag names it */
function createReaders(
  { settings, whereIs }: Sources<Settings>,
  env: NodeJS.ProcessEnv,
  file: string | undefined,
  workspaces: string | undefined,
) {
  const typedIn = env.INIT_CWD ?? process.cwd();
  return {
    host: () => settings.host ?? (settings.agentcore ? '0.0.0.0' : DEFAULT_HOST),
    database_url: () => readDatabase(settings),
    roots: () => (settings.roots ?? [typedIn]).map((root) => readRoot(resolve(typedIn, root))),
    // The agent's own variable is the weaker one, but the file is meant for many.
    model: () => (isInFile(whereIs(['model'])) && env.ANTHROPIC_MODEL) || settings.model,
    api_keys: () => distinct(readKeys(env, settings)),
    gateway: () => readGateway(settings.gateway, env, settings.demo ?? false),
    workspaces: () =>
      readWorkspaces(
        settings.workspaces,
        homeOf(settings.home, env),
        workspaces && resolve(typedIn, workspaces),
        env,
      ),
    sandbox: () => readSandbox(settings.sandbox, [file, settings.api_keys_file, ...secretFiles(settings)]),
    secrets: () => readSecrets(settings),
    lease_seconds: () => readNode(settings),
    oidc: () => readIssuers(settings),
    policy: () => readPolicies(settings, (root) => readRoot(resolve(typedIn, root))),
  };
}

/** As a line of a message. */
export const lineOf = ({ where, message }: Mistake): string =>
  `${where}${/^(takes|must be) /.test(message) ? '' : ':'} ${message}`;

const isInFile = (where: string | undefined): boolean => !where || !/^(--|AGENT_SERVER_)/.test(where);

/** The server's own folder: of the flag, the environment, the file, or the default. */
export function homeOf(flag: string | undefined, env: NodeJS.ProcessEnv, inFile?: string): string {
  const standard = join(env.HOME ?? homedir(), '.claude-agent-server');
  return resolve(env.INIT_CWD ?? process.cwd(), flag ?? env.AGENT_SERVER_HOME ?? inFile ?? standard);
}

function readFlags(argv: string[], flags: ParseArgsOptionsConfig) {
  try {
    const options: ParseArgsOptionsConfig = { ...flags, ...OWN_FLAGS };
    return parseArgs({ args: argv, options, strict: true, allowNegative: true }).values;
  } catch (error) {
    throw new ConfigError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  }
}

function readRoot(path: string): string {
  if (!isAbsolute(path) || !existsSync(path) || !statSync(path).isDirectory()) {
    throw new ConfigError(`The root folder ${path} does not exist. Name an existing folder with --root.`);
  }
  return realpathSync(path);
}

/** The keys of the file were checked when it was parsed; this adds those of the environment and the key file. */
function distinct(keys: ApiKey[]): ApiKey[] {
  const conflict = keyConflict(keys);
  if (conflict !== undefined) throw new ConfigError(conflict);
  return keys;
}

function readKeys(env: NodeJS.ProcessEnv, file: Settings): ApiKey[] {
  const keys: ApiKey[] = (file.api_keys ?? []).map(
    ({ id, key, budget_usd, limits, tenant, role, policy }) => ({
      id,
      key,
      budgetUsd: budget_usd,
      limits,
      tenant,
      role,
      policy:
        policy && withRealRoots(policy, (root) => readRoot(resolve(env.INIT_CWD ?? process.cwd(), root))),
    }),
  );
  if (env.AGENT_SERVER_API_KEY)
    keys.push({ id: 'environment', key: env.AGENT_SERVER_API_KEY, tenant: DEFAULT_TENANT, role: 'operator' });
  const path = file.api_keys_file;
  if (!path) return keys;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new ConfigError(
      `The API key file ${path} cannot be read. Check AGENT_SERVER_API_KEYS_FILE or "api_keys_file".`,
    );
  }
  const listed = text.split('\n').flatMap((line, index) => {
    const key = line.trim();
    return key === '' || key.startsWith('#')
      ? []
      : [{ id: `line-${index + 1}`, key, tenant: DEFAULT_TENANT, role: 'admin' as const }];
  });
  if (listed.length === 0)
    throw new ConfigError(`The API key file ${path} holds no key. Write one key per line.`);
  return [...keys, ...listed];
}
