import type { Lease } from './agent/watchdog.ts';
import type { NodeSessions } from './cluster/cluster.ts';
import { createSoleOwnership, type Ownership } from './cluster/ownership.ts';
import { createFeed, type Feed } from './events/feed.ts';
import type { AppDeps } from './http/deps.ts';
import type { Home } from './lock.ts';
import { refuseMoved } from './move/mark.ts';
import { type WriteObserver, watchStore } from './observe/watched-store.ts';
import { openSqliteStore } from './store/sqlite.ts';
import type { Store } from './store/store.ts';
import type { TranscriptStore } from './store/transcripts.ts';

export type OnError = (error: unknown, what: string) => void;

/** The store, and who may write to it: one server on a database of its own, or one node of several on a shared one. */
export interface Base {
  store: Store;
  feed: Feed;
  ownership: Ownership;
  /** The conversations, for nodes that share a database. */
  transcripts?: TranscriptStore;
  /** Where agents may run only as long as their node is alive for the others. */
  lease?: Lease;
  /** What the HTTP part needs to pass requests on to other nodes. */
  nodes?: AppDeps['nodes'];
  /** Whether this server does what has to be done once for all that share the store. */
  isFirst(): boolean;
  /** Called when the lease is longer now, and when it was lost: then every agent has to be killed. */
  onLease(renew: () => void, lost: () => Promise<void>): void;
  /** Other nodes reach this one at `url`, and it takes sessions over. */
  join(url: string, sessions: NodeSessions): Promise<void>;
  /** First step of a shutdown: no more sessions come. */
  drain(): Promise<void>;
  /** Resolves when load balancers that ask /ready have had time to notice that. */
  noticed(): Promise<void>;
  /** Last step but for the store: nothing more is passed on, and what this node owned is anyone's. */
  leave(): Promise<void>;
}

/** A server on a database of its own. @throws ConfigError when its sessions were moved to another */
export function openAlone(home: Home, observer: WriteObserver): Base {
  refuseMoved(home.folder);
  const store = watchStore(openSqliteStore(home.file('server.db')), observer);
  return {
    store,
    feed: createFeed(),
    ownership: createSoleOwnership(store),
    isFirst: () => true,
    onLease: () => {},
    join: async () => {},
    drain: async () => {},
    noticed: async () => {},
    leave: async () => {},
  };
}
