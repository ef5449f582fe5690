import type { PostgresPool } from '../store/postgres/pool.ts';
import type { Store } from '../store/store.ts';
import { createMembership, type Membership } from './membership.ts';
import { createNodes, type Nodes } from './nodes.ts';
import { createSharedOwnership, type SharedOwnership } from './shared-ownership.ts';
import { createTakeover } from './takeover.ts';

/** Dead nodes are looked for this often, in heartbeats: with the default of 2 s, each second. */
const LOOKS_PER_HEARTBEAT = 2;

export interface ClusterDeps {
  store: Pick<Store, 'write' | 'watch'>;
  /** Connections of the cluster's own, see MembershipDeps. */
  pool: PostgresPool;
  /** This node's id, the same after a restart. */
  id: string;
  heartbeatMs: number;
  leaseMs: number;
  onError(error: unknown, what: string): void;
}

/** This server as a node among others on one database. */
export interface Cluster {
  ownership: SharedOwnership;
  membership: Membership;
  nodes: Nodes;
  /**
   * Joins, and begins to take over what dead nodes left.
   * @param takeOver settles what a dead node left open in a session, and goes on with it
   */
  join(address: string, takeOver: (sessionId: string) => Promise<void>): Promise<void>;
  /** It takes no more sessions. */
  drain(): Promise<void>;
  /** Its sessions are anyone's. */
  leave(): Promise<void>;
}

export function createCluster({ store, pool, id, heartbeatMs, leaseMs, onError }: ClusterDeps): Cluster {
  const membership = createMembership({ sql: pool, id, heartbeatMs, leaseMs, onError });
  const ownership = createSharedOwnership({ sql: pool, store, membership, onError });
  const nodes = createNodes({ sql: pool, membership, watch: (onWrite) => store.watch(onWrite) });
  let stop = async (): Promise<void> => {};

  return {
    ownership,
    membership,
    nodes,
    async join(address, takeOver) {
      await membership.join(address);
      const takeover = createTakeover({
        membership,
        ownership,
        everyMs: heartbeatMs / LOOKS_PER_HEARTBEAT,
        takeOver,
        onNodes: nodes.update,
        onError,
      });
      stop = takeover.stop;
      await takeover.start();
    },
    async drain() {
      await membership.drain();
      await stop();
    },
    async leave() {
      await stop();
      await membership.leave();
      nodes.close();
      await pool.close();
    },
  };
}
