import { PermissionMode, type Secrets, type SessionOptions } from 'claude-agent-protocol';
import type { OwnOption, PolicyOption } from 'claude-agent-protocol/session-options';
import { z } from 'zod';
import type { RestrictionsOf } from '../access/policies.ts';
import { combine, type Restrictions } from '../access/tool-policy.ts';
import type { TenantUsers } from '../agent/sandbox/tenant-users.ts';
import { AppError, problem } from '../errors.ts';
import { isObject } from '../is-object.ts';
import { mayLeadTo, type Reach } from '../outbound/addresses.ts';
import { beyond, hostTexts, narrow } from '../outbound/network.ts';
import type { Vault } from '../secrets/vault.ts';
import type { Owned, SessionRecord } from '../store/store.ts';
import type { Workspaces } from '../workspaces/workspaces.ts';
import { type Folders, isInside } from './folders.ts';
import { type AgentNetwork, createNetworkPolicy } from './network-policy.ts';

/** What the configuration allows callers to do. */
export interface Allowed {
  /** bypassPermissions; Claude Code refuses it to root outside a sandbox. */
  bypass: 'allowed' | 'forbidden' | 'needs-sandbox';
  /** The mode in which a model decides what runs. */
  auto: boolean;
  /** Whether code that a folder brings (hooks, plugins, MCP servers) may run. */
  trustProject: boolean;
  /** Tools that callers may let run without a permission request, besides read-only ones: all, or these. */
  unaskedTools: true | readonly string[];
  /** Addresses at which the server may call the hooks and tools of callers. */
  callbackUrls: Reach;
  /** Whether callers may have commands started as MCP servers. */
  commands: boolean;
  network: AgentNetwork;
  /** The model of sessions that name none; undefined: the agent's own choice. */
  defaultModel?: string | undefined;
}

/** They change nothing and send nothing anywhere. */
const READS = ['Read', 'Glob', 'Grep', 'LS', 'NotebookRead', 'TodoWrite'];

/** Settings of Claude Code that run nothing, allow nothing and redirect nothing; checked one by one: those with a form. */
const HARMLESS_SETTINGS: ReadonlySet<string> = new Set([
  'permissions',
  'sandbox',
  'alwaysThinkingEnabled',
  'attribution',
  'autoCompactEnabled',
  'cleanupPeriodDays',
  'disableAllHooks',
  'effortLevel',
  'fastMode',
  'includeCoAuthoredBy',
  'language',
  'outputStyle',
  'respectGitignore',
  'skillOverrides',
]);
const Rules = z.array(z.string()).optional();
const PERMISSION_SETTINGS = { allow: Rules, deny: Rules, ask: Rules, defaultMode: PermissionMode.optional() };

/**
 * What sessions may do, by the configuration and the policies of their tenant and their maker: checked when they are
 * created, and again at every start of an agent.
 */
export interface Policy {
  /** @throws AppError 403 */
  checkMode(mode: PermissionMode, owned: Owned): void;
  /** The mode of a session that names none. */
  modeFor(wanted: PermissionMode, owned: Owned): PermissionMode;
  /** @param model null or undefined: the default model @throws AppError 403 */
  checkModel(model: string | null | undefined, owned: Owned): void;
  /** @throws AppError 403 */
  checkOptions(options: SessionOptions, owned: Owned): void;
  /** The real path of a folder; without one, the first that is allowed. @throws AppError 422 missing, 403 outside */
  checkFolder(folder: string | undefined, owned: Owned): Promise<string>;
  /**
   * Whether the owner's agents can use the folders of a session, where they run as a user of their own.
   * @param folder none for a workspace, which is the agents' anyway
   * @throws AppError 403
   */
  checkAccess(folder: string | undefined, options: SessionOptions, owned: Owned): Promise<void>;
  /** Folders that the owner's sessions may work in or below. */
  roots(owned: Owned): readonly string[];
  /**
   * Checks where the secrets of a session may go, and which of the configuration it may have.
   * @throws AppError 422, 403
   */
  checkSecrets(secrets: Secrets, options: SessionOptions, owned: Owned): void;
  /** The secrets of a session with their values. @throws AppError 409 */
  secretsOf: Vault['open'];
  /** The options with the rules of the policies, as the agent gets them. */
  handed(options: SessionOptions, owned: Owned): SessionOptions;
  /**
   * Checks a session before its agent starts: folders and configuration may have changed since it was created. A
   * workspace that is not here is restored.
   * @throws AppError 403 for something that is not allowed now, 409 when its folder is gone
   */
  checkStart(
    session: Pick<
      SessionRecord,
      'id' | 'cwd' | 'workspace' | 'permissionMode' | 'options' | 'model' | 'tenant' | 'createdBy' | 'secrets'
    >,
  ): Promise<void>;
}

/** The checks of one set of restrictions. */
interface Checks {
  mode(mode: PermissionMode): void;
  options(options: SessionOptions): void;
}

function createChecks(allowed: Allowed, limits: Restrictions): Checks {
  const mayRunUnasked = (rule: string): boolean =>
    allowed.unaskedTools === true || [...READS, ...allowed.unaskedTools].some((given) => covers(given, rule));

  const requireCommands = (what: string): void => {
    if (!allowed.commands) throw unaskedNotAllowed(what, '"allow_commands": true');
  };

  const checkRules = (texts: readonly string[], where: string): void => {
    for (const rule of texts.flatMap(rulesOf)) {
      if (mayRunUnasked(rule)) continue;
      throw unaskedNotAllowed(
        `"${rule}" in ${where}`,
        `"allow_unasked_tools": ["${toolOf(rule)}"] (or true, for every tool)`,
      );
    }
  };

  const checkServers = (servers: NonNullable<SessionOptions['mcp_servers']>, whose = ''): void => {
    for (const [name, server] of Object.entries(servers)) {
      const isListed = limits.allowsServer(server);
      if (isListed === false) {
        throw problem('policy_forbids', { what: `the MCP server "${name}"${whose}`, allowed: [] });
      }
      if ('command' in server) {
        // Whoever wrote it into the list has allowed it.
        if (!isListed) requireCommands(`the command of the MCP server "${name}"${whose}`);
      } else {
        const free = (server.tools ?? []).filter((tool) => tool.permission_policy === 'always_allow');
        checkRules(
          free.map((tool) => `mcp__${name}__${tool.name}`),
          `the tools of the MCP server "${name}"${whose}`,
        );
      }
    }
  };

  /** Claude Code runs commands unasked in its sandbox, unless it is told not to. */
  const checkSandbox = (sandbox: Record<string, unknown>, where: string): void => {
    if (sandbox.autoAllowBashIfSandboxed !== false)
      checkRules(['Bash'], `${where} without "autoAllowBashIfSandboxed": false`);
    for (const key of ['ripgrep', 'excludedCommands']) {
      if (sandbox[key] !== undefined) requireCommands(`${where}.${key}`);
    }
  };

  const checkNames = (
    tools: NonNullable<SessionOptions['custom_tools']>,
    servers: NonNullable<SessionOptions['mcp_servers']>,
  ): void => {
    const twice = tools.find(
      ({ server, name }, at) =>
        Object.hasOwn(servers, server) ||
        tools.findIndex((other) => other.server === server && other.name === name) !== at,
    );
    if (twice) {
      throw problem('validation_failed', {
        errors: [
          {
            path: 'body.custom_tools',
            message: `mcp__${twice.server}__${twice.name} is there twice, or "${twice.server}" is also one of mcp_servers; give it another name or server`,
          },
        ],
      });
    }
  };

  const checkCallbacks = (asked: readonly { url?: string | undefined }[]): void => {
    for (const { url } of asked) {
      if (url === undefined || mayLeadTo(allowed.callbackUrls, url)) continue;
      throw problem('callback_not_allowed', { url });
    }
  };

  /** Most settings can start a program or lead one elsewhere (hooks, env, apiKeyHelper, …): known are those that cannot. */
  const checkSettings = (settings: Record<string, unknown>): void => {
    const permissions = z.looseObject(PERMISSION_SETTINGS).safeParse(settings.permissions ?? {});
    if (!permissions.success) {
      throw problem('validation_failed', {
        errors: [{ path: 'body.settings.permissions', message: z.prettifyError(permissions.error) }],
      });
    }
    const { allow = [], defaultMode, deny: _, ask: __, ...others } = permissions.data;
    checkRules(allow, 'settings.permissions.allow');
    if (defaultMode) checks.mode(defaultMode);
    for (const key of Object.keys(others)) requireCommands(`settings.permissions.${key}`);
    if (isObject(settings.sandbox)) checkSandbox(settings.sandbox, 'settings.sandbox');
    for (const key of Object.keys(settings)) {
      if (!HARMLESS_SETTINGS.has(key)) requireCommands(`settings.${key}`);
    }
  };

  /** One for each option that the table of options leaves to policy. */
  const byOption: Record<Exclude<PolicyOption, OwnOption>, (options: SessionOptions) => void> = {
    trust_project({ trust_project: asked }) {
      if (asked && !allowed.trustProject) throw problem('trust_forbidden');
      if (asked && !limits.trustProject)
        throw problem('policy_forbids', { what: 'trust_project', allowed: [] });
    },
    allowed_tools: ({ allowed_tools: rules = [] }) => checkRules(rules, 'allowed_tools'),
    mcp_servers: ({ mcp_servers: servers = {} }) => checkServers(servers),
    agents({ agents = {} }) {
      for (const [name, agent] of Object.entries(agents)) {
        if (agent.permissionMode) checks.mode(agent.permissionMode);
        for (const given of agent.mcpServers ?? []) {
          if (typeof given !== 'string') checkServers(given, ` of the agent "${name}"`);
        }
      }
    },
    plugins({ plugins = [] }) {
      if (plugins.length > 0) requireCommands('plugins (their hooks and MCP servers)');
    },
    sandbox({ sandbox }) {
      if (sandbox) checkSandbox(sandbox, 'sandbox');
    },
    network({ network: asked }) {
      if (!asked) return;
      const { network } = allowed;
      if (network.mode === 'fixed') throw problem('network_not_limitable', { why: network.why });
      const most = limits.networks.reduce(narrow, network);
      const what = beyond(most, asked);
      if (what !== undefined) throw problem('policy_forbids', { what, allowed: hostTexts(most) });
    },
    settings: ({ settings = {} }) => checkSettings(settings),
    custom_tools({ custom_tools: tools = [], mcp_servers: servers = {} }) {
      checkNames(tools, servers);
      checkCallbacks(tools);
    },
    hooks: ({ hooks = {} }) => checkCallbacks(Object.values(hooks).flat()),
  };

  const checks: Checks = {
    mode(mode) {
      if (!limits.allowsMode(mode)) {
        const allowed = PermissionMode.options.filter(limits.allowsMode);
        throw problem('policy_forbids', { what: `the permission mode ${mode}`, allowed });
      }
      if (mode === 'auto' && !allowed.auto) {
        throw unaskedNotAllowed('the permission mode auto', '"allow_unasked_tools": true');
      }
      if (mode !== 'bypassPermissions' || allowed.bypass === 'allowed') return;
      if (allowed.bypass === 'needs-sandbox') {
        throw problem('bypass_needs_sandbox');
      }
      throw problem('permission_mode_forbidden');
    },
    options(options) {
      for (const check of Object.values(byOption)) check(options);
    },
  };
  return checks;
}

export function createPolicy(
  allowed: Allowed,
  folders: Folders,
  workspaces: Pick<Workspaces, 'ready'>,
  restrictionsOf: RestrictionsOf = () => NO_RESTRICTIONS,
  vault: Pick<Vault, 'open'> = NO_VAULT,
  users?: Pick<TenantUsers, 'check'>,
): Policy {
  const known = new WeakMap<Restrictions, Checks>();
  const checksOf = (owned: Owned): Checks => {
    const limits = restrictionsOf(owned);
    const checks = known.get(limits) ?? createChecks(allowed, limits);
    known.set(limits, checks);
    return checks;
  };

  const requireRoots = (path: string, owned: Owned, resuming: boolean): void => {
    for (const roots of restrictionsOf(owned).roots) {
      if (!roots.some((root) => isInside(root, path))) {
        throw problem('cwd_not_allowed', { cwd: path, roots, resuming });
      }
    }
  };

  const network = createNetworkPolicy(allowed.network, restrictionsOf, vault);

  const policy: Policy = {
    checkMode: (mode, owned) => checksOf(owned).mode(mode),
    modeFor: (wanted, owned) => restrictionsOf(owned).modeFor(wanted),

    checkModel(model, owned) {
      const { allowsModel, models } = restrictionsOf(owned);
      const name = model ?? allowed.defaultModel;
      if (allowsModel(name)) return;
      const what = name === undefined ? "the agent's own choice of model" : `the model ${name}`;
      throw problem('policy_forbids', { what, allowed: models });
    },

    checkOptions(options, owned) {
      checksOf(owned).options(options);
      for (const model of modelsIn(options)) policy.checkModel(model, owned);
    },

    async checkFolder(folder, owned) {
      const real = await folders.check(folder ?? restrictionsOf(owned).roots[0]?.[0]);
      requireRoots(real, owned, false);
      return real;
    },

    async checkAccess(folder, { additional_directories: more = [] }, { tenant }) {
      if (!users) return;
      if (folder !== undefined) await users.check(tenant, folder, { writes: true });
      for (const path of more) await users.check(tenant, path, { writes: false });
    },

    roots: (owned) => restrictionsOf(owned).roots.at(-1) ?? folders.roots,

    checkSecrets: network.checkSecrets,
    secretsOf: vault.open,

    handed(options, owned) {
      const { rules } = restrictionsOf(owned);
      const within = network.within(options, owned);
      if (Object.values(rules).every((list) => list.length === 0)) return within;
      const { settings = {} } = options;
      const own = z.looseObject(PERMISSION_SETTINGS).parse(settings.permissions ?? {});
      const permissions = {
        ...own,
        allow: [...(own.allow ?? []), ...rules.allow],
        ask: [...(own.ask ?? []), ...rules.ask],
        deny: [...(own.deny ?? []), ...rules.deny],
      };
      return { ...within, settings: { ...settings, permissions } };
    },

    async checkStart(session) {
      const { permissionMode, options } = session;
      policy.checkMode(permissionMode, session);
      policy.checkModel(session.model, session);
      policy.checkOptions(options, session);
      network.checkKept(session);
      if (session.workspace) await workspaces.ready(session);
      else {
        await folders.recheck(session.cwd);
        requireRoots(session.cwd, session, true);
      }
      const plugins = (options.plugins ?? []).map(({ path }) => path);
      for (const folder of [...(options.additional_directories ?? []), ...plugins]) {
        await policy.checkFolder(folder, session).catch((error: unknown) => {
          if (!(error instanceof AppError) || error.code !== 'cwd_not_found') throw error;
          throw problem('cwd_gone', { cwd: folder, how: 'is gone', fromOptions: true });
        });
      }
      await policy.checkAccess(session.workspace ? undefined : session.cwd, options, session);
    },
  };
  return policy;
}

const NO_RESTRICTIONS = combine([]);
const NO_VAULT: Pick<Vault, 'open'> = { open: () => [] };

/** The models that a session's options name. */
const modelsIn = ({ fallback_model, background_model, agents = {} }: SessionOptions): string[] =>
  [fallback_model, background_model, ...Object.values(agents).map(({ model }) => model)].flatMap((model) =>
    model === undefined || model === 'inherit' ? [] : [model],
  );

function unaskedNotAllowed(what: string, key: string): AppError {
  return problem('unasked_not_allowed', { what, setting: key });
}

/** Claude Code accepts several rules in one string, separated by commas or spaces outside brackets. */
const rulesOf = (text: string): string[] => text.match(/(?:\([^)]*\)?|[^\s,(])+/g) ?? [];

const toolOf = (rule: string): string => rule.split('(')[0] ?? rule;

/** A tool's name covers every rule for it, an MCP server's name all of its tools. */
function covers(given: string, rule: string): boolean {
  return (
    given === rule || given === toolOf(rule) || (given.startsWith('mcp__') && rule.startsWith(`${given}__`))
  );
}
