import type { Change, Store, WriteResult } from '../store/store.ts';
import type { NodeAddress } from './directory.ts';

/** `open`: the session has work that its last owner left, and that has to be settled before anything else. */
export type Acquired = { owned: true; open: boolean } | { owned: false; node: NodeAddress };

/**
 * Decides which node runs the actor of a session. At most one node owns a session; each change of the owner raises the
 * session's fencing number, and a write under an old number is refused.
 */
export interface Ownership {
  /** Other nodes can own sessions of the same store. */
  readonly isShared: boolean;
  /**
   * Makes this node the owner, or says which live node is. A session without an owner, or with a dead one, is taken; so
   * is one that does not exist: there is nothing to own.
   * @throws AppError 503 while this node may own nothing: it lost its lease
   */
  acquire(sessionId: string): Promise<Acquired>;
  /**
   * Writes changes of one session as its owner; a session that they insert belongs to this node.
   * @throws AppError 503 when this node does not own it, or no longer: nothing was kept
   */
  write(sessionId: string, changes: readonly Change[]): Promise<WriteResult>;
  owns(sessionId: string): boolean;
  /** The number under which this node may write of the session; undefined when it does not own it, or no other can. */
  fence(sessionId: string): number | undefined;
  /** The open work of a session that was acquired is settled. */
  settled(sessionId: string): void;
  /** The session has no owner from now on: it sleeps idle, is closed, or is gone. Never rejects. */
  release(sessionId: string): Promise<void>;
  /** The same for a session with open work: another node goes on with that. Never rejects. */
  handOver(sessionId: string): Promise<void>;
  /**
   * The listener is called when this node lost sessions, or all of them: it must end their agents and drop their actors.
   * This node owns none of them when it is called, and takes new ones when its promise settles.
   */
  onLost(listener: (sessionIds: 'all' | readonly string[]) => Promise<void>): void;
}

/** One server on a store of its own: it owns every session, always. */
export function createSoleOwnership(store: Pick<Store, 'write'>): Ownership {
  return {
    isShared: false,
    acquire: async () => ({ owned: true, open: false }),
    write: (_, changes) => store.write(changes),
    owns: () => true,
    fence: () => undefined,
    settled: () => {},
    release: async () => {},
    handOver: async () => {},
    onLost: () => {},
  };
}
