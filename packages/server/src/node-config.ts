import { ConfigError } from 'claude-agent-gateway';
import { z } from 'zod';

/** Settings of a server that shares its database with others. */
export interface NodeConfig {
  /** The URL at which other nodes reach this one, unless it is the one at which it listens. */
  nodeAddress: string | undefined;
  /** A node tells the others this often that it is alive … */
  heartbeatMs: number;
  /** … and is dead for them after this long without a word. */
  leaseMs: number;
  /** Whether the folders of sessions are the same on all nodes, unless they are workspaces. */
  sharedFolders: boolean;
}

/** In the configuration file. */
export const NODE_SETTINGS = {
  node_address: z.url().optional(),
  heartbeat_seconds: z.number().min(0.1).max(600).optional(),
  lease_seconds: z.number().min(0.1).max(600).optional(),
  shared_folders: z.boolean().optional(),
};

export const NODE_FLAGS = {
  'node-address': { type: 'string' },
  'heartbeat-seconds': { type: 'string' },
  'lease-seconds': { type: 'string' },
} as const;

/** Two heartbeats may be lost before a node is taken for dead. */
const BEATS_PER_LEASE = 3;
const HEARTBEAT_SECONDS = 2;

/** @throws ConfigError */
export function readNode(
  flags: { [K in keyof typeof NODE_FLAGS]?: string | undefined },
  file: z.infer<z.ZodObject<typeof NODE_SETTINGS>>,
): NodeConfig {
  const heartbeat = readSeconds('heartbeat-seconds', flags['heartbeat-seconds']) ?? file.heartbeat_seconds;
  const beat = heartbeat ?? HEARTBEAT_SECONDS;
  const lease =
    readSeconds('lease-seconds', flags['lease-seconds']) ?? file.lease_seconds ?? beat * BEATS_PER_LEASE;
  if (lease < 2 * beat) {
    throw new ConfigError(
      `A lease of ${lease} s is too short for a heartbeat every ${beat} s: one lost heartbeat would end every agent. Set --lease-seconds to ${2 * beat} or more.`,
    );
  }
  const address = flags['node-address'] === undefined ? file.node_address : readUrl(flags['node-address']);
  return {
    nodeAddress: address?.replace(/\/+$/, ''),
    heartbeatMs: beat * 1000,
    leaseMs: lease * 1000,
    sharedFolders: file.shared_folders ?? true,
  };
}

function readSeconds(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || seconds < 0.1 || seconds > 600)
    throw new ConfigError(`--${flag} takes a number of seconds from 0.1 to 600, not "${text}".`);
  return seconds;
}

function readUrl(text: string): string {
  if (!/^https?:$/.test(URL.parse(text)?.protocol ?? ''))
    throw new ConfigError(`--node-address takes a URL such as http://10.0.0.5:8787, not "${text}".`);
  return text;
}
