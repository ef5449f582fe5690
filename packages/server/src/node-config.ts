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
  /** A node that shuts down goes on answering so long, until load balancers have seen that it is not ready. */
  drainMs: number;
  /** Whether the folders of sessions are the same on all nodes, unless they are workspaces. */
  sharedFolders: boolean;
}

/** In the configuration file. */
export const NODE_SETTINGS = {
  node_address: z
    .url({ protocol: /^https?$/, error: 'must be a URL such as http://10.0.0.5:8000' })
    .optional(),
  heartbeat_seconds: z.number().min(0.1).max(600).optional(),
  lease_seconds: z.number().min(0.1).max(600).optional(),
  drain_seconds: z.number().min(0).max(600).optional(),
  shared_folders: z.boolean().optional(),
};

/** Two heartbeats may be lost before a node is taken for dead. */
const BEATS_PER_LEASE = 3;
const HEARTBEAT_SECONDS = 2;
/** deploy/compose/haproxy.cfg asks every second, and again after half a second. */
const DRAIN_SECONDS = 2;

/** @throws ConfigError */
export function readNode(settings: z.infer<z.ZodObject<typeof NODE_SETTINGS>>): NodeConfig {
  const beat = settings.heartbeat_seconds ?? HEARTBEAT_SECONDS;
  const lease = settings.lease_seconds ?? beat * BEATS_PER_LEASE;
  if (lease < 2 * beat) {
    throw new ConfigError(
      `A lease of ${lease} s is too short for a heartbeat every ${beat} s: one lost heartbeat would end every agent. Set --lease-seconds to ${2 * beat} or more.`,
    );
  }
  return {
    nodeAddress: settings.node_address?.replace(/\/+$/, ''),
    heartbeatMs: beat * 1000,
    leaseMs: lease * 1000,
    drainMs: (settings.drain_seconds ?? DRAIN_SECONDS) * 1000,
    sharedFolders: settings.shared_folders ?? true,
  };
}
