import { problem } from '../errors.ts';
import type { Sql } from '../store/postgres/pool.ts';
import type { Store } from '../store/store.ts';
import { addressFromRow } from './directory.ts';
import type { Membership } from './membership.ts';
import type { Acquired, Ownership } from './ownership.ts';

export interface SharedOwnershipDeps {
  sql: Sql;
  store: Pick<Store, 'write'>;
  membership: Membership;
  /** Whether all nodes see the same folders. */
  sharedFolders: boolean;
  onError(error: unknown, what: string): void;
}

export interface SharedOwnership extends Ownership {
  /** Owners without a row among the nodes, and what names a session that was handed over: of all sessions there are. */
  deadOwners(): Promise<string[]>;
  /**
   * Takes some sessions that have open work and belong to these owners, or were handed over. One that is alive keeps its own.
   * Where nodes have folders of their own, a session that works in one waits for its node.
   * @returns whether there may be more
   */
  takeOrphans(owners: readonly string[], atMost: number): Promise<boolean>;
  /**
   * Takes some sessions that have open work and are this node's by the database alone: it did not hear that it got them,
   * because the answer came too late or its connection broke. While it lives nobody else would go on with them.
   * @returns whether there may be more
   */
  takeStrays(atMost: number): Promise<boolean>;
  /** Sessions of this node whose open work is not settled. */
  unsettled(): string[];
}

interface Held {
  fence: number;
  open: boolean;
}

/** The owner of a session that a node has left with open work: no incarnation, so it is dead. */
export const HANDED_OVER = 'handed over';

/** Nobody is alive who owns the session `s`. A row that names an owner without a row of its own is a dead node's. */
const IS_FREE = '(s.owner is null or not exists (select from nodes n where n.incarnation = s.owner))';

/**
 * What a dead node has just written may be missing: a statement sees the rows as they were when it began, but for those that
 * it changes. The next one, under another fencing number, sees all.
 */
export const HAS_OPEN_WORK = `(s.tasks_seq is not null
  or exists (select from turns t where t.session_id = s.id and t.state in ('queued', 'running'))
  or exists (select from turns t where t.session_id = s.id
    and t.wait_for = 'background' and t.ended_at is not null and t.settled_at is null)
  or exists (select from permissions p where p.session_id = s.id and p.state = 'pending'))`;

/** An owner may die between two looks. */
const ATTEMPTS = 5;

/**
 * Ownership as rows of the database: `sessions.owner` names an incarnation of a node. A dead node's row is gone before
 * anybody takes what it owned, so its heartbeat cannot succeed afterwards; what it still tries to write is refused by
 * the fencing number.
 */
export function createSharedOwnership({
  sql,
  store,
  membership,
  sharedFolders,
  onError,
}: SharedOwnershipDeps): SharedOwnership {
  const held = new Map<string, Held>();
  const acquiring = new Map<string, Promise<Acquired>>();
  const listeners: ((sessionIds: 'all' | readonly string[]) => Promise<void>)[] = [];

  const moved = (id: string): Error => problem('session_moved', { id, kept: false });

  /** The incarnation that may take sessions now. */
  const taker = (): string | undefined => (membership.isDraining() ? undefined : membership.incarnation());

  const keep = (id: string, owner: string, row: { fence?: unknown; open?: unknown }): boolean => {
    // Lost while the database answered: whoever joins again has another name.
    if (membership.incarnation() !== owner) return false;
    const fence = Number(row.fence);
    // Two statements may take a session for this node at once, and answer in the other order.
    if (fence > (held.get(id)?.fence ?? -1)) held.set(id, { fence, open: Boolean(row.open) });
    return true;
  };

  const take = async (id: string, owner: string) => {
    const taken = await sql.get(
      `update sessions s set owner = $2, node = $3, fence = fence + 1
       from (select owner from sessions where id = $1) before
       where s.id = $1 and (s.owner = $2 or ${IS_FREE})
         and exists (select from nodes n where n.incarnation = $2 collate "C")
       returning fence, before.owner as left_by, ${HAS_OPEN_WORK} as open`,
      id,
      owner,
      membership.id,
    );
    if (!taken || taken.open || taken.left_by === null)
      return taken && { ...taken, open: Boolean(taken.open) };
    const now = await sql.get(`select ${HAS_OPEN_WORK} as open from sessions s where s.id = $1`, id);
    return { ...taken, open: Boolean(now?.open) };
  };

  const acquire = async (id: string): Promise<Acquired> => {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const owner = taker();
      if (owner !== undefined) {
        const taken = await take(id, owner);
        if (taken && keep(id, owner, taken)) return { owned: true, open: taken.open };
        if (taken) continue;
      }
      const found = await sql.get(
        `select s.id as session, n.id, n.address, n.incarnation from sessions s
         left join nodes n on n.incarnation = s.owner where s.id = $1`,
        id,
      );
      // Nothing to own: whoever asks for the session learns that it does not exist.
      if (!found) return { owned: true, open: false };
      if (found.id !== null && found.incarnation !== owner)
        return { owned: false, node: addressFromRow(found) };
      if (owner === undefined) throw moved(id);
    }
    throw moved(id);
  };

  const lose = (id: string): void => {
    if (!held.delete(id)) return;
    for (const listener of listeners)
      void listener([id]).catch((error: unknown) => onError(error, 'end a session'));
  };

  /** Writes who owns the session now, unless it changed hands. */
  const leave = async (id: string, next: string | null): Promise<void> => {
    const mine = held.get(id);
    const owner = membership.incarnation();
    held.delete(id);
    if (!mine || owner === undefined) return;
    try {
      await sql.all(
        'update sessions set owner = $4 where id = $1 and owner = $2 and fence = $3',
        id,
        owner,
        mine.fence,
        next,
      );
    } catch (error) {
      // It stays with this node, which takes it again when it is asked for.
      onError(error, 'release a session');
    }
  };

  /** Sessions that a dead node left idle belong to nobody. */
  const giveBack = (ids: readonly string[], owner: string): Promise<unknown> =>
    sql.all(
      `update sessions s set owner = case when ${HAS_OPEN_WORK} then $3 end where s.id = any($1::text[]) and s.owner = $2`,
      ids,
      owner,
      HANDED_OVER,
    );

  membership.onLost(async () => {
    held.clear();
    await Promise.allSettled(listeners.map((listener) => listener('all')));
  });

  return {
    isShared: true,

    async acquire(id) {
      const mine = held.get(id);
      if (mine && membership.leftMs() > 0) return { owned: true, open: mine.open };
      const under = acquiring.get(id);
      if (under) return under;
      const begun = acquire(id).finally(() => acquiring.delete(id));
      acquiring.set(id, begun);
      return begun;
    },

    async write(id, changes) {
      const owner = membership.incarnation();
      const [first, ...rest] = changes;
      if (first?.kind === 'insert-session' || first?.kind === 'begin-import') {
        if (owner === undefined) throw moved(id);
        const result = await store.write([{ ...first, owner, node: membership.id }, ...rest]);
        // There is such a session: what an import does then, it decides itself.
        // Behind it a limit may have refused.
        if (!result.ok && (first.kind === 'begin-import' || result.refused > 0)) return result;
        if (!result.ok || !keep(id, owner, { fence: 1, open: false })) throw moved(id);
        return result;
      }
      const fence = held.get(id)?.fence;
      if (fence === undefined || owner === undefined) throw moved(id);
      const result = await store.write([{ kind: 'owned', sessionId: id, fence }, ...changes]);
      if (result.ok) return result;
      if (result.refused > 0) return { ok: false, refused: result.refused - 1 };
      if (held.get(id)?.fence === fence) lose(id);
      throw moved(id);
    },

    owns: (id) => held.has(id) && membership.leftMs() > 0,
    fence: (id) => (membership.leftMs() > 0 ? held.get(id)?.fence : undefined),
    settled(id) {
      const mine = held.get(id);
      if (mine) mine.open = false;
    },
    release: (id) => leave(id, null),
    handOver: (id) => leave(id, HANDED_OVER),
    onLost: (listener) => void listeners.push(listener),

    async deadOwners() {
      // Steps from one owner to the next: an entry of the index for each, however many sessions they have.
      const rows = await sql.all(
        `with recursive owners (owner) as (
           (select owner from sessions where owner is not null order by owner limit 1)
           union all
           select (select s.owner from sessions s where s.owner > o.owner order by s.owner limit 1)
           from owners o where o.owner is not null)
         select owner from owners o
         where owner is not null and not exists (select from nodes n where n.incarnation = o.owner)`,
      );
      return rows.map(({ owner: dead }) => String(dead));
    },

    async takeOrphans(owners, atMost) {
      const owner = taker();
      if (owner === undefined) return false;
      const rows = await sql.all(
        `with free as (
           select s.id, ${HAS_OPEN_WORK} as open from sessions s
           where s.owner = any($3::text[]) and not exists (select from nodes n where n.incarnation = s.owner)
             and ($5 or s.node is null or s.node = $4 or s.workspace is not null or not ${HAS_OPEN_WORK})
           limit $2 for update skip locked)
         update sessions s set owner = $1, node = case when free.open then $4 else s.node end, fence = s.fence + 1
         from free where s.id = free.id and exists (select from nodes n where n.incarnation = $1 collate "C")
         returning s.id, s.fence, free.open`,
        owner,
        atMost,
        [...owners, HANDED_OVER],
        membership.id,
        sharedFolders,
      );
      for (const row of rows) if (row.open) keep(String(row.id), owner, row);
      const idle = rows.filter(({ open }) => !open).map(({ id }) => String(id));
      if (idle.length > 0) await giveBack(idle, owner);
      return rows.length === atMost;
    },

    async takeStrays(atMost) {
      const owner = taker();
      if (owner === undefined) return false;
      const rows = await sql.all(
        `update sessions s set fence = s.fence + 1
         from (select s.id from sessions s where s.owner = $1 and s.id <> all($3::text[]) and ${HAS_OPEN_WORK}
           limit $2 for update skip locked) stray
         where s.id = stray.id and s.owner = $1
         returning s.id, s.fence, true as open`,
        owner,
        atMost,
        [...held.keys(), ...acquiring.keys()],
      );
      for (const row of rows) keep(String(row.id), owner, row);
      return rows.length === atMost;
    },

    unsettled: () => [...held].filter(([, { open }]) => open).map(([id]) => id),
  };
}
