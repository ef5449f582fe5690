import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { homedir, totalmem } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import {
  ConfigError,
  createConfig as createGatewayConfig,
  type GatewayConfig,
  keyConflict,
} from 'claude-agent-gateway';
import {
  DEFAULT_HOST,
  DEFAULT_PORT,
  DEFAULT_TENANT,
  isLoopback,
  MAX_PERMISSION_TIMEOUT_SECONDS,
  PermissionMode,
  type Role,
} from 'claude-agent-protocol';
import { z } from 'zod';
import { ApiKeys } from './access/config-keys.ts';
import { POLICY_FIELDS, type PolicyConfig, readPolicies, withRealRoots } from './access/policies.ts';
import type { ToolPolicy } from './access/tool-policy.ts';
import { findCredential } from './agent/environment.ts';
import { DATABASE_FIELDS, type DatabaseConfig, readDatabase } from './database-config.ts';
import { NODE_FLAGS, NODE_SETTINGS, type NodeConfig, readNode } from './node-config.ts';
import { readSandbox, SANDBOX_FIELDS, SANDBOX_FLAGS, type SandboxConfig } from './sandbox-config.ts';
import type { RetentionLimits } from './store/store.ts';
import { readWorkspaces, type WorkspaceConfig, WorkspaceSettings } from './workspace-config.ts';

export { ConfigError } from 'claude-agent-gateway';

/** Where the server may ask for what hooks and tools of callers answer. */
const CallbackUrls = z.enum(['none', 'loopback', 'public', 'any']);

const LogLevel = z.enum(['silent', 'error', 'warn', 'info', 'debug']);

/** What is kept of each session's event log. A limit that is left out does not exist. */
const Retention = z.strictObject({
  max_age_days: z.number().positive().optional(),
  max_events: z.int().min(1).optional(),
  max_bytes: z.int().min(1).optional(),
});

/** The configuration file. Flags override the environment, the environment overrides the file. */
const ConfigFile = z.strictObject({
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
  allow_callback_urls: CallbackUrls.optional(),
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

/** A key that opens this server. */
export interface ApiKey {
  /** Identifies the key in accounts and budgets; the key itself is never shown. */
  id: string;
  key: string;
  /** Total budget in dollars for model calls through the gateway. */
  budgetUsd?: number | undefined;
  tenant: string;
  role: Role;
  policy?: ToolPolicy | undefined;
}

/** All settings, read once at the start and frozen. */
export interface Config extends NodeConfig, PolicyConfig {
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
  /** The source of the agent's credential; without one, all model calls go through the gateway. */
  credential: string | undefined;
  /** Default model of new sessions; undefined leaves it to the agent. */
  model: string | undefined;
  apiKeys: readonly ApiKey[];
  gateway: GatewayConfig;
  allowBypassPermissions: boolean;
  /** Whether sessions may run programs that their folder brings. */
  allowTrustProject: boolean;
  /** Tools that callers may let run without asking, besides read-only ones: all, or these tools and rules. */
  allowUnaskedTools: true | readonly string[];
  /** Whether callers may start commands as MCP servers. */
  allowCommands: boolean;
  /** Addresses at which the server may call hooks and tools of callers: a server that calls any address can be misused. */
  allowCallbackUrls: z.infer<typeof CallbackUrls>;
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
       claude-agent-server backup FILE [--home DIR]    save database and transcripts, also of a running server
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
  --sandbox MODE   run agents in bubblewrap: auto (where it works), required, or off (default)
  --demo           answer every model call with the built-in demo model
  --help           show this text

Environment: AGENT_SERVER_API_KEY, AGENT_SERVER_API_KEYS_FILE, AGENT_SERVER_HOME, AGENT_SERVER_DATABASE_URL
(hides a password from the list of processes), ANTHROPIC_MODEL, and the agent's credentials (ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, CLAUDE_CODE_OAUTH_TOKEN, ...).`;

const FLAGS = {
  host: { type: 'string' },
  port: { type: 'string' },
  home: { type: 'string' },
  'database-url': { type: 'string' },
  root: { type: 'string', multiple: true },
  config: { type: 'string' },
  spares: { type: 'string' },
  workspaces: { type: 'string' },
  'max-live-agents': { type: 'string' },
  ...SANDBOX_FLAGS,
  ...NODE_FLAGS,
  demo: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

/**
 * Reads flags, environment and file into one frozen Config.
 * @param argv the arguments after the program's name
 * @returns 'help' if the user asks for the usage
 * @throws ConfigError with a sentence for the user
 */
export function readConfig(argv: string[], env: NodeJS.ProcessEnv): Config | 'help' {
  const flags = readFlags(argv);
  if (flags.help) return 'help';
  const file = flags.config === undefined ? {} : readFile(flags.config);

  const typedIn = env.INIT_CWD ?? process.cwd();
  const host = flags.host ?? file.host ?? DEFAULT_HOST;
  const home = homeOf(flags.home, env, file.home);
  const apiKeys = distinct(readKeys(env, file));
  if (!isLoopback(host) && apiKeys.length === 0) {
    throw new ConfigError(
      `Other machines can reach ${host}, so an API key is needed. Set AGENT_SERVER_API_KEY (or AGENT_SERVER_API_KEYS_FILE), or listen on 127.0.0.1.`,
    );
  }
  const credential = findCredential(env);
  const demo = flags.demo ?? file.demo ?? false;
  const sandbox = readSandbox(flags.sandbox, env, file.sandbox, [flags.config, keysFileOf(env, file)]);

  return Object.freeze<Config>({
    host,
    port: flags.port === undefined ? (file.port ?? DEFAULT_PORT) : readPort(flags.port),
    home,
    database: readDatabase(flags['database-url'], env, file),
    roots: (flags.root ?? file.roots ?? [typedIn]).map((root) => readRoot(resolve(typedIn, root))),
    demo,
    // Model keys do not enter a sandbox whose network is limited: its agents use the gateway.
    credential: demo || sandbox.network !== 'open' ? undefined : credential,
    model: env.ANTHROPIC_MODEL || file.model,
    apiKeys,
    gateway: readGateway(file.gateway, env, demo),
    allowBypassPermissions: file.allow_bypass_permissions ?? false,
    allowTrustProject: file.allow_trust_project ?? false,
    // With leave to bypass every question, anything may run.
    allowUnaskedTools: file.allow_unasked_tools ?? (file.allow_bypass_permissions || []),
    allowCallbackUrls: file.allow_callback_urls ?? 'none',
    allowCommands: file.allow_commands ?? file.allow_bypass_permissions ?? false,
    defaultPermissionMode: file.default_permission_mode ?? 'default',
    permissionTimeoutSeconds: file.permission_timeout_seconds ?? 300,
    parkAfterSeconds: file.park_after_seconds ?? 60,
    sleepAfterSeconds: file.sleep_after_seconds ?? 300,
    maxLiveAgents:
      flags['max-live-agents'] === undefined
        ? (file.max_live_agents ?? agentsThatFit())
        : readAgents(flags['max-live-agents']),
    maxQueuedTurns: file.max_queued_turns ?? 1_000,
    maxSessions: file.max_sessions ?? 100_000,
    bodyLimitBytes: file.body_limit_bytes ?? 10 * 1024 * 1024,
    importLimitBytes: file.import_limit_bytes ?? 10 * 1024 ** 3,
    shutdownGraceSeconds: file.shutdown_grace_seconds ?? 5,
    spares: flags.spares === undefined ? (file.spares ?? 1) : readSpares(flags.spares),
    retention: {
      maxAgeDays: file.retention?.max_age_days,
      maxEvents: file.retention?.max_events,
      maxBytes: file.retention?.max_bytes,
    },
    workspaces: readWorkspaces(
      file.workspaces,
      home,
      flags.workspaces && resolve(typedIn, flags.workspaces),
      env,
    ),
    sandbox,
    ...readNode(flags, file),
    ...readPolicies(file, (root) => readRoot(resolve(typedIn, root))),
    env: Object.freeze({ ...env }),
    passEnv: file.pass_env ?? [],
    logLevel: readLogLevel(env.AGENT_SERVER_LOG_LEVEL) ?? file.log_level ?? 'info',
  });
}

/** The server's own folder: of the flag, the environment, the file, or the default. */
export function homeOf(flag: string | undefined, env: NodeJS.ProcessEnv, inFile?: string): string {
  const standard = join(env.HOME ?? homedir(), '.claude-agent-server');
  return resolve(env.INIT_CWD ?? process.cwd(), flag ?? env.AGENT_SERVER_HOME ?? inFile ?? standard);
}

function readFlags(argv: string[]) {
  try {
    return parseArgs({ args: argv, options: FLAGS, strict: true }).values;
  } catch (error) {
    throw new ConfigError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  }
}

function readFile(path: string): z.infer<typeof ConfigFile> {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ConfigError(
      `The configuration ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  const parsed = ConfigFile.safeParse(json);
  if (!parsed.success)
    throw new ConfigError(`The configuration ${path} is not valid:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

function readPort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65535)
    throw new ConfigError(`--port takes a number from 0 to 65535, not "${text}".`);
  return port;
}

function readSpares(text: string): number {
  const spares = Number(text);
  if (!/^\d+$/.test(text) || spares > 16)
    throw new ConfigError(`--spares takes a number from 0 to 16, not "${text}".`);
  return spares;
}

function readAgents(text: string): number {
  const agents = Number(text);
  if (!/^[1-9]\d*$/.test(text)) {
    throw new ConfigError(`--max-live-agents takes a number from 1 on, not "${text}".`);
  }
  return agents;
}

/** A process takes about 120 MB when it idles and more when it works; the rest of the machine needs memory too. */
const AGENT_BYTES = 200 * 1024 ** 2;

/** The number of processes that the memory holds: the machine's, or what the container may use of it. */
function agentsThatFit(): number {
  // 0 and enormous values mean that there is no limit.
  const limits = [totalmem(), process.constrainedMemory()].filter((bytes) => bytes > 0);
  return Math.max(2, Math.floor(Math.min(...limits) / AGENT_BYTES));
}

function readLogLevel(text: string | undefined): z.infer<typeof LogLevel> | undefined {
  const level = LogLevel.optional().safeParse(text || undefined);
  if (level.success) return level.data;
  throw new ConfigError(
    `AGENT_SERVER_LOG_LEVEL must be one of ${LogLevel.options.join(', ')}, not "${text}".`,
  );
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

const keysFileOf = (env: NodeJS.ProcessEnv, file: z.infer<typeof ConfigFile>): string | undefined =>
  env.AGENT_SERVER_API_KEYS_FILE || file.api_keys_file;

function readKeys(env: NodeJS.ProcessEnv, file: z.infer<typeof ConfigFile>): ApiKey[] {
  const keys: ApiKey[] = (file.api_keys ?? []).map(({ id, key, budget_usd, tenant, role, policy }) => ({
    id,
    key,
    budgetUsd: budget_usd,
    tenant,
    role,
    policy: policy && withRealRoots(policy, (root) => readRoot(resolve(env.INIT_CWD ?? process.cwd(), root))),
  }));
  if (env.AGENT_SERVER_API_KEY)
    keys.push({ id: 'environment', key: env.AGENT_SERVER_API_KEY, tenant: DEFAULT_TENANT, role: 'operator' });
  const path = keysFileOf(env, file);
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

/** The gateway's part of the file. With --demo, every model name that it does not route leads to the demo model. */
function readGateway(
  part: Record<string, unknown> | undefined,
  env: NodeJS.ProcessEnv,
  demo: boolean,
): GatewayConfig {
  if (part?.keys !== undefined) {
    throw new ConfigError(
      'This server\'s gateway uses the keys in "api_keys". Move the entries of "gateway.keys" there.',
    );
  }
  const models = { '*': 'demo', ...(part?.models as Record<string, never> | undefined) };
  return createGatewayConfig({ ...part, ...(demo && { models }) }, env);
}
