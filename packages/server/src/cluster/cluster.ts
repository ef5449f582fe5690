import type { PostgresPool } from '../store/postgres/pool.ts';
import type { Store } from '../store/store.ts';
import { createMembership, type Membership } from './membership.ts';
import { createNodes, type Nodes } from './nodes.ts';
import { createPlacement, type Placement } from './placement.ts';
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
  /** Whether all nodes see the same folders. */
  sharedFolders: boolean;
  onError(error: unknown, what: string): void;
}

/** What a node does with sessions. */
export interface NodeSessions {
  /** Settles what a dead node left open in a session, and goes on with it. */
  takeOver(sessionId: string): Promise<void>;
  /** How many more of them could have a process at once. */
  room(): number;
}

/** This server as a node among others on one database. */
export interface Cluster {
  ownership: SharedOwnership;
  membership: Membership;
  nodes: Nodes;
  placement: Placement;
  /**
   * Joins, and begins to take over what dead nodes left.
   */
  join(address: string, sessions: NodeSessions): Promise<void>;
  /** It takes no more sessions. */
  drain(): Promise<void>;
  /** Its sessions are anyone's. */
  leave(): Promise<void>;
}

export function createCluster(deps: ClusterDeps): Cluster {
  const { store, pool, id, heartbeatMs, leaseMs, sharedFolders, onError } = deps;
  let room = (): number => 0;
  const membership = createMembership({ sql: pool, id, heartbeatMs, leaseMs, room: () => room(), onError });
  const ownership = createSharedOwnership({ sql: pool, store, membership, sharedFolders, onError });
  const nodes = createNodes({ sql: pool, membership, watch: (onWrite) => store.watch(onWrite) });
  const placement = createPlacement({ membership, live: nodes.live, room: () => room(), sharedFolders });
  let stop = async (): Promise<void> => {};

  return {
    ownership,
    membership,
    nodes,
    placement,
    async join(address, { takeOver, room: roomHere }) {
      room = roomHere;
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
