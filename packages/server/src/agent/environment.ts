import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { MODEL_ALIASES } from 'claude-agent-protocol/reasons';

export type Env = Readonly<Record<string, string | undefined>>;

/** Variables that any program needs; none of them is secret. */
const BASIC = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'LANGUAGE',
  'TZ',
  'TERM',
  'TMPDIR',
  'TEMP',
  'TMP',
  'XDG_CONFIG_HOME',
  'XDG_CACHE_HOME',
  'XDG_DATA_HOME',
  'IS_SANDBOX',
  // network access
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'ALL_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'all_proxy',
  'no_proxy',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  // Windows
  'SystemRoot',
  'COMSPEC',
  'PATHEXT',
  'USERPROFILE',
  'APPDATA',
  'LOCALAPPDATA',
];

/** The agent's credentials and settings, by the names that Claude Code reads. */
const AGENT =
  /^(ANTHROPIC_|CLAUDE_|VERTEX_|DISABLE_|OTEL_|BASH_|MAX_THINKING_TOKENS$|ENABLE_TOOL_SEARCH$|API_TIMEOUT_MS$|MCP_TIMEOUT$|MCP_TOOL_TIMEOUT$|MAX_MCP_OUTPUT_TOKENS$)/;
/** A cloud's credentials are passed on only when the agent is told to use that cloud. */
const CLOUDS: [string, RegExp][] = [
  ['CLAUDE_CODE_USE_BEDROCK', /^AWS_/],
  ['CLAUDE_CODE_USE_VERTEX', /^(GOOGLE_|GCLOUD_|CLOUDSDK_|CLOUD_ML_REGION$)/],
  ['CLAUDE_CODE_USE_FOUNDRY', /^AZURE_/],
];
/** Set by an agent that this server itself runs under; passed on, they would confuse our agents. */
const NEVER =
  /^(CLAUDECODE$|CLAUDE_CODE_ENTRYPOINT$|CLAUDE_CODE_SSE_PORT$|CLAUDE_CODE_SESSION_ID$|CLAUDE_AGENT_SERVER_)/;

const isOn = (value: string | undefined): boolean =>
  value !== undefined && !['', '0', 'false', 'no'].includes(value);

/**
 * The part of the server's environment that an agent process gets: basic variables and the agent's own
 * credentials. The server's keys and everything else are left out.
 */
export function agentEnvironment(env: Env, passEnv: readonly string[]): Record<string, string> {
  const clouds = CLOUDS.filter(([flag]) => isOn(env[flag])).map(([, names]) => names);
  const wanted = (name: string): boolean =>
    passEnv.includes(name) ||
    BASIC.includes(name) ||
    name.startsWith('LC_') ||
    (AGENT.test(name) && !NEVER.test(name)) ||
    clouds.some((names) => names.test(name));
  const picked: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && wanted(name)) picked[name] = value;
  }
  return picked;
}

/** The variables that any program needs, and none of the agent's. */
export function basicEnvironment(env: Env): Record<string, string> {
  const basic = Object.entries(env).filter(([name]) => BASIC.includes(name) || name.startsWith('LC_'));
  return Object.fromEntries(basic.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

const PROXIES = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy'];

/** Decides where model calls go and who pays, clouds aside. Not `CLAUDE_CODE_MAX_OUTPUT_TOKENS`: that is a limit. */
const CREDENTIAL =
  /^ANTHROPIC_(BASE_URL|CUSTOM_HEADERS)$|^CLAUDE_CODE_USE_|^(ANTHROPIC|CLAUDE)_.*(KEY|TOKEN|SECRET)(_|$)/;

const opensModels = (name: string): boolean =>
  CREDENTIAL.test(name) || CLOUDS.some(([, names]) => names.test(name));

/** The folder in which Claude Code keeps its login, settings and transcripts. */
export function configDir(env: Env): string {
  return env.CLAUDE_CONFIG_DIR || join(env.HOME || homedir(), '.claude');
}

/** A login, as the source of a credential. */
export const LOGIN = 'a logged-in Claude Code';

/**
 * Finds a credential that the agent can use.
 * @returns its source (a name, never a value), or undefined
 */
export function findCredential(env: Env): string | undefined {
  const named = findNamed(env);
  if (named !== undefined) return named;
  const folder = configDir(env);
  if (existsSync(join(folder, '.credentials.json'))) return LOGIN;
  // Claude Code prefers the user's settings to the environment.
  const { apiKeyHelper, env: inSettings } = readJson(join(folder, 'settings.json'));
  if (typeof apiKeyHelper === 'string' && apiKeyHelper !== '') return 'apiKeyHelper';
  const set = findNamed(typeof inSettings === 'object' && inSettings !== null ? { ...inSettings } : {});
  if (set !== undefined) return `${set} in settings.json`;
  // On macOS the login is in the keychain; only this trace of it is in a file.
  const account = readJson(
    env.CLAUDE_CONFIG_DIR ? join(folder, '.claude.json') : `${folder}.json`,
  ).oauthAccount;
  return account ? LOGIN : undefined;
}

/** The variable that holds a credential, or selects a cloud that has one. */
function findNamed(env: Readonly<Record<string, unknown>>): string | undefined {
  const secrets = ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN', 'CLAUDE_CODE_OAUTH_TOKEN'];
  return (
    secrets.find((name) => env[name]) ?? CLOUDS.map(([flag]) => flag).find((flag) => isOn(text(env[flag])))
  );
}

const text = (value: unknown): string | undefined => (value === undefined ? undefined : String(value));

/**
 * Claude Code refuses to start as root with bypassPermissions, or with the option to switch to it, in any mode
 * (measured on 2.1.330), unless it is told that it runs in a sandbox.
 */
export function refusesBypass(env: Env): boolean {
  return process.getuid?.() === 0 && env.IS_SANDBOX !== '1';
}

function readJson(path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/** Claude Code resolves these itself, so its model variables cannot hold them. */
const ALIASES: ReadonlySet<string> = new Set(MODEL_ALIASES);

const isClaude = (model: string): boolean => ALIASES.has(model) || model.toLowerCase().includes('claude');

/** A session's choice of models. */
interface ModelChoice {
  model: string | undefined;
  options: {
    enable_proxy?: boolean | undefined;
    background_model?: string | undefined;
    network?: object | undefined;
  };
}

/**
 * Whether a session's model calls go through this server's gateway: by choice, or for lack of another way. Model keys do
 * not enter a sandbox whose network is limited.
 */
export const usesGateway = (
  server: { credential: string | undefined },
  session: Pick<ModelChoice, 'options'>,
): boolean =>
  session.options.enable_proxy === true ||
  session.options.network !== undefined ||
  server.credential === undefined;

/** Whether the agent resolves a model's name to another one, which then reaches the gateway. */
export const isAlias = (model: string): boolean => ALIASES.has(model);

/**
 * The environment of one session's agent process.
 * @param gateway this server's address and the session's token for it, used in demo and proxy mode
 */
export function sessionEnvironment(
  server: { env: Env; passEnv: readonly string[]; credential: string | undefined },
  session: ModelChoice,
  gateway: { url: string; token: string; contextOf(model: string): number | undefined },
): Record<string, string> {
  const env = agentEnvironment(server.env, server.passEnv);
  env.CLAUDE_AGENT_SDK_CLIENT_APP = 'claude-agent-server';
  env.DISABLE_AUTOUPDATER = '1';

  if (usesGateway(server, session)) {
    for (const name of Object.keys(env)) {
      if (opensModels(name) && !server.passEnv.includes(name)) delete env[name];
    }
    env.ANTHROPIC_BASE_URL = gateway.url;
    env.ANTHROPIC_API_KEY = gateway.token;
    env.CLAUDE_CODE_USE_BEDROCK = '0';
    // Settings files override the environment: a base URL, key, cloud or key helper in the user's or a project's
    // settings would send the conversation elsewhere. With this variable Claude Code ignores all of those, in the flag
    // layer too (measured on 2.1.330: 13 ways, none got through). The flag layer could hold the same values, but it is
    // passed on the command line, which every user of the machine can read, token included.
    env.CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST = '1';
    // No traffic except model calls, and those only to this server.
    env.CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = '1';
    // Claude Code uses a proxy even for loopback addresses.
    if (PROXIES.some((name) => env[name])) {
      const direct = [env.no_proxy || env.NO_PROXY, new URL(gateway.url).hostname];
      env.NO_PROXY = env.no_proxy = direct.filter((part) => part).join(',');
    }
  }

  const { model } = session;
  // Claude Code assumes a million tokens for a model that it does not know, and would compact too late.
  if (model !== undefined && !isClaude(model) && usesGateway(server, session)) {
    const context = gateway.contextOf(model);
    if (context !== undefined) env.CLAUDE_CODE_MAX_CONTEXT_TOKENS ??= String(context);
  }
  return { ...env, ...modelEnvironment(session) };
}

/**
 * What follows from a session's choice of models. It is repeated in the flag layer of the settings, because the
 * user's settings would override it otherwise.
 */
export function modelEnvironment({ model, options }: ModelChoice): Record<string, string> {
  const env: Record<string, string> = {};
  if (model !== undefined && !isClaude(model)) {
    // `0` leaves cache_control in the requests (measured), which other providers refuse.
    env.DISABLE_PROMPT_CACHING = '1';
    env.CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS = '1';
    env.ENABLE_TOOL_SEARCH = 'false';
  }
  // No background call may go to a model that the user did not choose.
  const chosen = model !== undefined && !ALIASES.has(model) ? model : undefined;
  const background = options.background_model ?? chosen;
  if (background !== undefined) {
    env.ANTHROPIC_SMALL_FAST_MODEL = background;
    env.ANTHROPIC_DEFAULT_HAIKU_MODEL = background;
  }
  if (chosen !== undefined) env.CLAUDE_CODE_SUBAGENT_MODEL = chosen;
  return env;
}
