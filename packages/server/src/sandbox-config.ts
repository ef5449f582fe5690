import { existsSync, realpathSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { ConfigError } from 'claude-agent-gateway';
import { z } from 'zod';
import type { ContainerProgram } from './agent/sandbox/container-arguments.ts';
import type { SandboxLimits } from './agent/sandbox/limits.ts';
import { parseAllowedHost } from './outbound/allowed-hosts.ts';
import { hostsOf, type Network } from './outbound/network.ts';
import { SECRETS_FIELDS } from './secrets-config.ts';
import type { UidRange } from './store/tenant-uids.ts';

/** How agents are confined, or an engine for containers and the image that they run in. */
const SandboxMode = z
  .string()
  .regex(
    /^(auto|off|required|(docker|podman):[^\s-]\S*)$/,
    'must be auto, off, required, docker:IMAGE or podman:IMAGE',
  );
const SandboxNetwork = z.enum(['open', 'limited', 'none']);
const Path = z.string().min(1).refine(isAbsolute, 'must be an absolute path');

/** An agent has 15 to 40 threads; a build with many workers some hundred. */
const PROCESSES = 4_096;
/** The last two numbers of 32 bits mean no user. */
const LAST_UID = 4_294_967_293;

/** What agents may see of the machine. */
const SandboxSettings = z.strictObject({
  mode: SandboxMode.optional(),
  network: SandboxNetwork.optional(),
  allowed_hosts: z
    .array(
      z
        .string()
        .refine(
          (text) => parseAllowedHost(text) !== undefined,
          'must be a host, such as example.org, *.example.org or example.org:8443',
        ),
    )
    .optional(),
  read: z.array(Path).optional(),
  write: z.array(Path).optional(),
  limits: z
    .strictObject({
      memory_bytes: z
        .int()
        .min(256 * 1024 ** 2)
        .optional(),
      processes: z.int().min(64).optional(),
      file_bytes: z
        .int()
        .min(1024 ** 2)
        .optional(),
      disk_bytes: z
        .int()
        .min(32 * 1024 ** 2)
        .optional(),
    })
    .optional(),
  tenant_uids: z
    .strictObject({ first: z.int().min(1_000).max(LAST_UID), count: z.int().min(1).max(1_000_000) })
    .refine(({ first, count }) => first + count - 1 <= LAST_UID, 'must end below 4294967294')
    .optional(),
});

/** The fields of the configuration file. */
export const SANDBOX_FIELDS = { sandbox: SandboxSettings.optional(), ...SECRETS_FIELDS };

export interface SandboxConfig {
  /** `auto`: where this machine can; `required`: the server does not start where it cannot. */
  mode: 'auto' | 'off' | 'required';
  /** The containers that agents run in; undefined: bubblewrap. */
  container?: { program: ContainerProgram; image: string } | undefined;
  network: Network;
  /** Further paths that agents see, read-only or not; they exist, and are real paths. */
  read: readonly string[];
  write: readonly string[];
  limits: SandboxLimits;
  /** Users of the machine, one for each tenant's agents; undefined: they run as the server's user. */
  tenantUids?: UidRange | undefined;
  /** The configuration and the keys: no agent may see them. */
  ownFiles: readonly string[];
}

/**
 * @param ownFiles files that hold secrets of the server
 * @throws ConfigError
 */
export function readSandbox(
  {
    mode,
    network = 'open',
    allowed_hosts = [],
    read = [],
    write = [],
    limits,
    tenant_uids,
  }: z.infer<typeof SandboxSettings> = {},
  ownFiles: readonly (string | undefined)[],
): SandboxConfig {
  if (network !== 'open' && mode === 'off') {
    throw new ConfigError(
      `"sandbox.network" is ${network}, and there is no sandbox. Start with --sandbox required, or remove "network".`,
    );
  }
  if (network !== 'limited' && allowed_hosts.length > 0) {
    throw new ConfigError('"sandbox.allowed_hosts" needs "network": "limited". Set it, or remove the hosts.');
  }
  const [, program, image] = /^(docker|podman):(.*)$/.exec(mode ?? '') ?? [];
  if (tenant_uids && (mode === 'off' || program)) {
    throw new ConfigError(
      `"sandbox.tenant_uids" needs bubblewrap, and agents run ${program ? 'in containers' : 'without a sandbox'} (--sandbox ${mode}). Start with --sandbox required, or remove "tenant_uids".`,
    );
  }
  const container = program && image ? { program: program as ContainerProgram, image } : undefined;
  return {
    container,
    // A network that is not limited after all would be a surprise.
    mode:
      container || network !== 'open' || tenant_uids
        ? 'required'
        : mode === 'auto' || mode === 'required'
          ? mode
          : 'off',
    tenantUids: tenant_uids,
    network: network === 'limited' ? { mode: network, hosts: hostsOf(allowed_hosts) } : { mode: network },
    read: read.map((path) => realPath('read', path)),
    write: write.map((path) => realPath('write', path)),
    limits: {
      memoryBytes: limits?.memory_bytes,
      processes: limits?.processes ?? PROCESSES,
      fileBytes: limits?.file_bytes,
      diskBytes: limits?.disk_bytes,
    },
    ownFiles: ownFiles.flatMap((path) =>
      path !== undefined && existsSync(path) ? [realpathSync(path)] : [],
    ),
  };
}

function realPath(field: string, path: string): string {
  if (existsSync(path)) return realpathSync(resolve(path));
  throw new ConfigError(
    `The path ${path} in "sandbox.${field}" does not exist. Create it, or remove it from the configuration.`,
  );
}
