import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sql } from '../store/postgres/pool.ts';
import { addressFromRow } from './directory.ts';

export interface MembershipDeps {
  /** Statements of the membership only: they must not wait behind others, and fail in less than a lease. */
  sql: Sql;
  /** The node's own id, the same after a restart. */
  id: string;
  heartbeatMs: number;
  /** So long is the node alive for the others without another heartbeat, by the database's clock. */
  leaseMs: number;
  /** How many more sessions could have a process here at once. */
  room(): number;
  onError(error: unknown, what: string): void;
}

/** A node that is alive, as the database has it. */
export interface LiveNode {
  id: string;
  incarnation: string;
  address: string;
  draining: boolean;
  /** How many more sessions could have a process there at once, as of its last heartbeat. */
  room: number;
}

/**
 * This node's row among the nodes. A node is alive as long as its row is there; the row of one whose lease is over is
 * deleted by the next node that looks (`sweep`), and from then on its heartbeats fail. A node that has lost its row, or
 * cannot reach the database in time, stops everything before the others may go on with it, and joins again as a
 * new incarnation.
 */
export interface Membership {
  readonly id: string;
  /** Identifies the node from one join to the next loss; owners are named by it. Undefined while it is not a member. */
  incarnation(): string | undefined;
  /** How long this node may go on without another heartbeat; 0 or less when it may not. */
  leftMs(): number;
  isDraining(): boolean;
  /** Joins under an address at which other nodes reach this one. @throws when the database cannot be reached */
  join(address: string): Promise<void>;
  /** It gets no more sessions. */
  drain(): Promise<void>;
  /** Removes its row: what it still owns is anyone's. Never rejects. */
  leave(): Promise<void>;
  /** Called after each heartbeat that succeeded. */
  onBeat(listener: () => void): void;
  /** Called when it has lost everything. It joins again when all listeners have settled. */
  onLost(listener: () => Promise<void>): void;
  /** Deletes the rows of dead nodes, and returns the others. */
  sweep(): Promise<LiveNode[]>;
}

/** The second heartbeat that does not answer is not followed by a third. */
const IN_FLIGHT = 2;
/** The part of a lease for which a node may go on. */
const USABLE = 0.75;

export function createMembership({
  sql,
  id,
  heartbeatMs,
  leaseMs,
  room,
  onError,
}: MembershipDeps): Membership {
  /**
   * The node gives up before the others can know: what is under way at the end of its lease still has to be killed.
   * Measured: five agents are gone 0.3 s after the reaper was started; with a load of 18 on one processor 0.13 s were too few
   * for one. A lease has two heartbeats at least, so one that is lost ends nothing.
   */
  const usableMs = leaseMs * USABLE;
  const beatListeners: (() => void)[] = [];
  const lostListeners: (() => Promise<void>)[] = [];
  let incarnation: string | undefined;
  let address = '';
  /** By this process's monotonic clock. */
  let deadline = 0;
  let inFlight = 0;
  let draining = false;
  let left = false;
  let beats: NodeJS.Timeout | undefined;
  let expiry: NodeJS.Timeout | undefined;

  const leftMs = (): number => deadline - performance.now();

  const extend = (sentAt: number): void => {
    deadline = Math.max(deadline, sentAt + usableMs);
    clearTimeout(expiry);
    expiry = setTimeout(check, leftMs());
    for (const listener of beatListeners) listener();
  };

  const check = (): void => {
    if (incarnation !== undefined && leftMs() <= 0) void lose('could not renew its lease in time');
  };

  const insert = async (): Promise<void> => {
    const mine = randomUUID();
    const sentAt = performance.now();
    await sql.all(
      `insert into nodes (id, incarnation, address, started_at, expires_at, draining, room)
         values ($1, $2, $3, now(), now() + $4::float8 * interval '1 millisecond', false, $5)
       on conflict (id) do update set incarnation = excluded.incarnation, address = excluded.address,
         started_at = excluded.started_at, expires_at = excluded.expires_at, draining = false,
         room = excluded.room`,
      id,
      mine,
      address,
      leaseMs,
      room(),
    );
    incarnation = mine;
    deadline = 0;
    extend(sentAt);
    clearInterval(beats);
    beats = setInterval(() => void beat(mine), heartbeatMs);
  };

  const beat = async (mine: string): Promise<void> => {
    // After the process was frozen, its own clock says first that it is too late.
    check();
    if (incarnation !== mine || inFlight >= IN_FLIGHT) return;
    inFlight += 1;
    const sentAt = performance.now();
    try {
      const row = await sql.get(
        `update nodes set expires_at = now() + $2::float8 * interval '1 millisecond', draining = $3, room = $4
         where id = $5 and incarnation = $1 returning id`,
        mine,
        leaseMs,
        draining,
        room(),
        id,
      );
      if (incarnation !== mine) return;
      if (!row) void lose('was taken for dead');
      else if (sentAt + usableMs > performance.now()) extend(sentAt);
    } catch (error) {
      if (incarnation === mine) onError(error, 'renew the lease of this node');
    } finally {
      inFlight -= 1;
    }
  };

  const lose = async (why: string): Promise<void> => {
    incarnation = undefined;
    deadline = 0;
    clearInterval(beats);
    clearTimeout(expiry);
    onError(
      new Error(`This node ${why}. Its agents are ended, and its sessions go on on other nodes.`),
      'stay in the cluster',
    );
    await Promise.allSettled(lostListeners.map((listener) => listener()));
    while (!left && incarnation === undefined) {
      try {
        await insert();
      } catch (error) {
        onError(error, 'join the cluster again');
        await sleep(heartbeatMs, undefined, { ref: false });
      }
    }
  };

  return {
    id,
    incarnation: () => (leftMs() > 0 ? incarnation : undefined),
    leftMs,
    isDraining: () => draining,
    async join(at) {
      address = at;
      await insert();
    },
    async drain() {
      draining = true;
      if (incarnation !== undefined) await beat(incarnation);
    },
    async leave() {
      left = true;
      clearInterval(beats);
      clearTimeout(expiry);
      const mine = incarnation;
      incarnation = undefined;
      if (mine === undefined) return;
      try {
        await sql.all('delete from nodes where id = $1 and incarnation = $2', id, mine);
      } catch (error) {
        onError(error, 'leave the cluster');
      }
    },
    onBeat: (listener) => void beatListeners.push(listener),
    onLost: (listener) => void lostListeners.push(listener),
    async sweep() {
      // A row that is renewed at the end of its lease is left out once: its node has given up by itself before.
      const rows = await sql.all(
        `with dead as (delete from nodes where expires_at <= now())
         select id, incarnation, address, draining, room from nodes where expires_at > now() order by id`,
      );
      return rows.map((row) => ({
        ...addressFromRow(row),
        draining: Boolean(row.draining),
        room: Number(row.room),
      }));
    },
  };
}
