import { homedir } from 'node:os';
import { join } from 'node:path';
import { credentialOf } from 'claude-agent-gateway';
import type { Logger } from 'pino';
import { policiesOf } from './access/policies.ts';
import type { SessionTokens } from './access/session-tokens.ts';
import { projectFolder } from './agent/claude/rebuild.ts';
import { configDir, LOGIN, refusesBypass, usesGateway } from './agent/environment.ts';
import { findBubblewrap, tryAsUser } from './agent/sandbox/bubblewrap.ts';
import { createBubblewrapEngine } from './agent/sandbox/bubblewrap-engine.ts';
import { openContainerEngine } from './agent/sandbox/container-engine.ts';
import { createEgress, type Egress, type EgressDeps } from './agent/sandbox/egress.ts';
import type { Engine } from './agent/sandbox/engine.ts';
import { createInterceptor } from './agent/sandbox/interceptor.ts';
import { type ControlGroups, findControlGroups } from './agent/sandbox/limits.ts';
import { createSandbox, type Sandbox } from './agent/sandbox/sandbox.ts';
import { openSeatbeltEngine } from './agent/sandbox/seatbelt-engine.ts';
import { systemMounts } from './agent/sandbox/system.ts';
import { createTenantUsers } from './agent/sandbox/tenant-users.ts';
import { createTrust, type Trust } from './agent/secrets/trust.ts';
import { type Config, ConfigError } from './config.ts';
import { messageOf } from './errors.ts';
import type { Home } from './lock.ts';
import type { AgentNetwork } from './sessions/network-policy.ts';
import type { TenantUids } from './store/tenant-uids.ts';

/**
 * The sandbox of this server's agents, as the configuration says; undefined when they see the machine.
 * @throws ConfigError when one is required and cannot be had
 */
export async function openSandbox(
  config: Config,
  home: Home,
  logger: Logger,
  gateway: Pick<EgressDeps, 'answer'> & { tokens: SessionTokens; hasProviders: boolean; store: TenantUids },
): Promise<Sandbox | undefined> {
  const { mode, container, network, read, write, limits, tenantUids, ownFiles } = config.sandbox;
  const byPolicy = policiesOf(config).some((policy) => policy.network !== undefined);
  const mayLimit = canLimit(config, gateway.hasProviders);
  if (mode === 'off') {
    if (!byPolicy) return undefined;
    throw new ConfigError(
      'A policy limits the network of agents, and there is no sandbox. Start with --sandbox required, or remove "network" from the policy.',
    );
  }
  if ((network.mode !== 'open' || byPolicy) && !mayLimit) {
    throw new ConfigError(
      `With "${byPolicy ? 'network' : 'sandbox.network'}": "${byPolicy ? 'limited' : network.mode}", model calls go through the gateway, and it has no credential: a login of Claude Code does not count. Set ANTHROPIC_API_KEY or another provider's key.`,
    );
  }
  let engine: Engine;
  try {
    engine = await (container ? openContainers(container, config, home, logger) : openOwn(config, logger));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const why = messageOf(error);
    if (container) {
      throw new ConfigError(
        `Agents must run in containers (--sandbox ${container.program}:${container.image}), and cannot: ${why}. Start ${container.program}, get the image, or choose another --sandbox.`,
      );
    }
    if (mode === 'required' || byPolicy) {
      throw new ConfigError(
        `Agents must run in a sandbox (--sandbox required), and there is none: ${why}. Install bubblewrap, allow it to make user namespaces, or start with --sandbox off.`,
      );
    }
    logger.warn(`agents run without a sandbox, with the rights of this server: ${why}`);
    return undefined;
  }
  if (byPolicy && !engine.isolatesNetwork) {
    throw new ConfigError(
      `A policy limits the network of agents, and ${engine.version} cannot. Use Linux or containers, or remove "network" from the policy.`,
    );
  }
  logger.info({ sandbox: engine.version, network: network.mode }, 'agents run in a sandbox');
  const { env, credential, workspaces } = config;
  const agents = configDir(env);
  const trust = createTrust(env, join(home.folder, 'certificates.pem'));
  return createSandbox({
    engine,
    folder: join(home.folder, 'sandboxes'),
    env,
    home: env.HOME || homedir(),
    config: agents,
    read,
    write,
    limits,
    users: tenantUids && createTenantUsers(gateway.store, tenantUids),
    hidden: {
      folders: [
        home.folder,
        workspaces.folder,
        ...('folder' in workspaces.objects ? [workspaces.objects.folder] : []),
      ],
      files: ownFiles,
    },
    network,
    trust,
    egress: mayLimit ? egressTo(gateway, trust, logger) : undefined,
    projectOf: (cwd) => projectFolder('', cwd),
    onError: (error) => logger.error({ err: error }, 'the disk of a session cannot be measured'),
    usesLogin: (session) => !usesGateway({ credential }, session),
  });
}

async function openOwn(config: Config, logger: Logger): Promise<Engine> {
  const { env, credential, sandbox } = config;
  const { limits, network, tenantUids } = sandbox;
  if (tenantUids && credential === LOGIN) {
    throw new ConfigError(
      'With "sandbox.tenant_uids" agents cannot use the login of Claude Code, which belongs to the user of the server. Set ANTHROPIC_API_KEY or another provider\'s key.',
    );
  }
  if (process.platform === 'darwin') {
    if (tenantUids) throw new ConfigError('"sandbox.tenant_uids" needs Linux. Remove it.');
    if (limits.memoryBytes !== undefined)
      throw new ConfigError('"sandbox.limits.memory_bytes" needs Linux or containers. Remove the limit.');
    if (network.mode !== 'open')
      throw new ConfigError(
        `"sandbox.network": "${network.mode}" needs Linux or containers (--sandbox docker:IMAGE). Remove "network".`,
      );
    if (credential === LOGIN)
      throw new Error(
        'the login of Claude Code is in the keychain, which a sandbox does not show; set ANTHROPIC_API_KEY',
      );
    return openSeatbeltEngine({ home: env.HOME || homedir(), config: configDir(env) });
  }
  if (process.platform !== 'linux') throw new Error('a sandbox needs Linux or macOS');
  const bubblewrap = await findBubblewrap();
  if (tenantUids) {
    await tryAsUser(bubblewrap, { uid: tenantUids.first, gid: tenantUids.first }).catch((error: unknown) => {
      throw new ConfigError(
        `"sandbox.tenant_uids" cannot be used here: ${messageOf(error)}. The server has to run as root with all capabilities, with setpriv (util-linux), and every user be allowed to make user namespaces. See to that, or remove "tenant_uids".`,
      );
    });
  }
  const groups = findControlGroups();
  checkLimits(config.sandbox, groups, logger);
  return createBubblewrapEngine({ bubblewrap, groups, system: systemMounts() });
}

function openContainers(
  container: NonNullable<Config['sandbox']['container']>,
  { env }: Config,
  { instance }: Home,
  logger: Logger,
): Promise<Engine> {
  const [uid, gid] = [process.getuid?.(), process.getgid?.()];
  if (uid === undefined || gid === undefined) throw new Error('containers need Linux or macOS');
  return openContainerEngine({
    ...container,
    instance,
    env,
    user: { uid, gid },
    warn: (message) => logger.warn(message),
  });
}

/** @throws ConfigError when a limit that was asked for cannot be kept */
function checkLimits(
  { limits, tenantUids }: Pick<Config['sandbox'], 'limits' | 'tenantUids'>,
  { limits: can }: ControlGroups,
  logger: Logger,
): void {
  if (limits.memoryBytes !== undefined && !can.memory) {
    throw new ConfigError(
      '"sandbox.limits.memory_bytes" needs a control group in which this server may make others (systemd: Delegate=yes and DelegateSubgroup=server). Allow that, or remove the limit.',
    );
  }
  if (!can.processes && process.getuid?.() === 0 && !tenantUids) {
    logger.warn(
      'the processes of agents are not limited: the server runs as root, which the kernel exempts, and may not make control groups',
    );
  }
}

/** Agents with a limited network talk to the gateway, which then needs a credential. */
const canLimit = ({ demo }: Config, hasProviders: boolean): boolean => hasProviders || demo;

/** What agents reach, for the policy: or why no session can have less. */
export function networkOfAgents(
  config: Config,
  sandbox: Sandbox | undefined,
  hasProviders: boolean,
): AgentNetwork {
  if (!sandbox) {
    return { mode: 'fixed', why: 'its agents run without a sandbox (--sandbox required makes one).' };
  }
  if (!sandbox.isolatesNetwork) {
    return { mode: 'fixed', why: 'the sandbox of its system has no network of its own (containers have).' };
  }
  if (canLimit(config, hasProviders)) return config.sandbox.network;
  return {
    mode: 'fixed',
    why: 'model calls would go through its gateway, which has no credential of a provider (a login of Claude Code does not count).',
  };
}

function egressTo(
  { answer, tokens }: Pick<EgressDeps, 'answer'> & { tokens: SessionTokens },
  trust: Trust,
  logger: Logger,
): Egress {
  return createEgress({
    interceptor: createInterceptor({
      trust,
      onRefused: (session, why) => logger.warn({ session }, why),
    }),
    sessionOf(headers) {
      const key = headers['x-api-key'];
      const given = credentialOf({
        authorization: headers.authorization,
        'x-api-key': Array.isArray(key) ? key[0] : key,
      });
      return given === undefined ? undefined : tokens.verify(given);
    },
    answer,
  });
}

/** Whether sessions may use bypassPermissions; with a line in the log where the agent would refuse it. */
export function mayBypass(
  { allowBypassPermissions, env }: Config,
  inSandbox: boolean,
  logger: Logger,
): 'forbidden' | 'needs-sandbox' | 'allowed' {
  if (!allowBypassPermissions) return 'forbidden';
  if (inSandbox || !refusesBypass(env)) return 'allowed';
  logger.warn(
    '"allow_bypass_permissions" has no effect: the server runs as root, and Claude Code refuses bypassPermissions for root. Run the server as another user, or its agents in a sandbox (--sandbox required). If the whole machine is a disposable sandbox, set IS_SANDBOX=1 instead.',
  );
  return 'needs-sandbox';
}
