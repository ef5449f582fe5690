import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { LOCAL } from './access/principal.ts';
import { findTimedShell } from './agent/watchdog.ts';
import type { Base, OnError } from './base.ts';
import { createCluster } from './cluster/cluster.ts';
import { createRelay, type Relay } from './cluster/relay.ts';
import { type Config, ConfigError } from './config.ts';
import type { DatabaseConfig } from './database-config.ts';
import { createFeed, type Feed } from './events/feed.ts';
import { createTail } from './events/tail.ts';
import { NODE_HEADER } from './http/auth.ts';
import { createForwarding } from './http/forward.ts';
import { createNodeProof } from './http/node-proof.ts';
import { inOrder } from './in-order.ts';
import type { Home } from './lock.ts';
import { refuseUnfinished } from './move/mark.ts';
import { type WriteObserver, watchStore } from './observe/watched-store.ts';
import { createPostgresPool } from './store/postgres/pool.ts';
import { openPostgresStore } from './store/postgres.ts';

/** Longer than a take-over takes: a request that waits for a session's next owner finds it. */
const TAKEOVER_MS = 4_000;
/** Connections for what nodes say to each other: heartbeats must not wait behind the reads of sessions. */
const NODE_CONNECTIONS = 4;

/**
 * One of several servers on one database.
 * @throws ConfigError when this machine cannot be a node; StorageError when the database cannot be used
 */
export async function openNode(
  config: Config & { database: DatabaseConfig },
  home: Home,
  onError: OnError,
  observer: WriteObserver,
): Promise<Base> {
  const { heartbeatMs, leaseMs, sharedFolders } = config;
  const { url, pooler, connections } = config.database;
  const direct = pooler === 'none';
  const shell = await findTimedShell();
  if (shell === undefined) {
    throw new ConfigError(
      'A node of a cluster needs a shell that reads with a time limit, to end its agents when it is frozen: install bash.',
    );
  }
  const opened = await openPostgresStore({ url, connections, prepared: direct, listen: direct, onError });
  const store = watchStore(opened, observer);
  // A statement that hangs must fail while the lease still can be renewed.
  const pool = createPostgresPool({
    url,
    connections: NODE_CONNECTIONS,
    prepared: direct,
    queryTimeoutMs: leaseMs / 2,
    onError,
  });
  await refuseUnfinished(pool);
  const cluster = createCluster({
    store,
    pool,
    id: home.instance,
    heartbeatMs,
    leaseMs,
    sharedFolders,
    onError,
  });
  const { membership, ownership, nodes } = cluster;
  const list = () =>
    nodes.live().map(({ id, incarnation, address }) => ({
      node_id: id,
      address,
      is_this: incarnation === membership.incarnation(),
    }));
  const proof = createNodeProof(String((await pool.get('select secret from cluster'))?.secret));
  const forwarding = createForwarding({
    ownership,
    directory: nodes,
    placement: cluster.placement,
    sharedFolders,
    proof,
    patienceMs: leaseMs + TAKEOVER_MS,
  });
  const tail = createTail(store, (error) => onError(error, 'read the events of all sessions'));
  const feed: Feed = createFeed((sessionId) => relay.follow(sessionId), tail);
  const relay: Relay = createRelay(feed, {
    store,
    directory: nodes,
    owns: ownership.owns,
    headers: () => ({ [NODE_HEADER]: proof.sign(LOCAL) }),
    onError: (error) => onError(error, 'follow a session of another node'),
  });
  let noticed = Promise.resolve();

  return {
    store,
    feed,
    ownership,
    transcripts: opened.transcripts,
    lease: { shell, leftMs: membership.leftMs },
    nodes: {
      forward: forwarding.forward,
      verify: proof.verify,
      doing: nodes.doing,
      atWork: nodes.atWork,
      list,
    },
    isFirst: nodes.isFirst,
    onLease(renew, lost) {
      membership.onBeat(renew);
      membership.onLost(lost);
    },
    join: (own, sessions) => cluster.join(config.nodeAddress ?? reachable(own), sessions),
    drain() {
      if (nodes.live().length > 1) noticed = sleep(config.drainMs);
      return cluster.drain();
    },
    noticed: () => noticed,
    leave: () => inOrder([relay.close, forwarding.close, cluster.leave]),
  };
}

/** A node that listens on all addresses is reached by its machine's name. */
function reachable(url: string): string {
  const { protocol, hostname: host, port } = new URL(url);
  return ['0.0.0.0', '[::]'].includes(host) ? `${protocol}//${hostname()}:${port}` : url;
}
