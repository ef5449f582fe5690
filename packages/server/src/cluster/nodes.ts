import { BackgroundTask, SessionState } from 'claude-agent-protocol';
import { z } from 'zod';
import type { Sql } from '../store/postgres/pool.ts';
import { ownedFromRow } from '../store/rows.ts';
import type { Owned } from '../store/store.ts';
import { addressFromRow, type Directory } from './directory.ts';
import type { LiveNode, Membership } from './membership.ts';

export interface NodesDeps {
  sql: Sql;
  membership: Pick<Membership, 'incarnation' | 'isDraining'>;
  /** Calls back with each session that a node has written to. @returns how to stop */
  watch(onWrite: (sessionId: string) => void): () => void;
}

/** What a session does, and what its agent does in the background. */
export interface Doing {
  state: SessionState;
  tasks: BackgroundTask[];
}

/** A session that a node runs or has in memory. */
export interface LiveSession extends Owned {
  id: string;
  state: SessionState;
}

export interface Nodes extends Directory {
  /** The nodes that are alive, as of the last look. */
  live(): readonly LiveNode[];
  /** What sessions do that a live node owns, by id: as their logs say. */
  doing(sessionIds: readonly string[]): Promise<ReadonlyMap<string, Doing>>;
  /** All sessions that live nodes own, with what they do. */
  atWork(): Promise<LiveSession[]>;
  /** Of the nodes that are alive and stay, this one is the first: it does what one node has to do for all. */
  isFirst(): boolean;
  /**
   * Takes over what a look found. Notifications can be missed, so all sessions that are followed here are looked up
   * together, and the followers of those that changed are told.
   */
  update(nodes: readonly LiveNode[]): Promise<void>;
  close(): void;
}

const Tasks = z.array(BackgroundTask);

/**
 * What a session `s` does. Without a turn, its newest state is among its last events; a long turn has thousands behind it,
 * but then the state follows from what is open. ("exists" may be answered by reading what is open in all sessions.)
 */
const STATE = `case
  when (select p.id from permissions p where p.session_id = s.id and p.state = 'pending' limit 1) is not null
    then 'waiting'
  when (select t.id from turns t where t.session_id = s.id and t.state in ('queued', 'running')
    and t.state = 'running' and t.steers is null limit 1) is not null then 'running'
  else (select e.data::jsonb ->> 'state' from events e
    where e.session_id = s.id and e.type = 'session.state' order by e.seq desc limit 1) end`;

/** What is known here of the other nodes. */
export function createNodes({ sql, membership, watch }: NodesDeps): Nodes {
  let live: readonly LiveNode[] = [];
  const signals = new Map<string, { incarnation: string | undefined; end: AbortController }>();
  const listeners = new Map<string, Set<() => void>>();
  /** Owner and newest event of each session that is followed, as of the last look. */
  const versions = new Map<string, string>();

  const tell = (sessionId: string): void => {
    for (const listener of listeners.get(sessionId) ?? []) listener();
  };
  const stop = watch(tell);

  const lookUp = async (): Promise<void> => {
    const ids = [...listeners.keys()];
    if (ids.length === 0) return;
    const rows = await sql.all('select id, owner, last_seq from sessions where id = any($1::text[])', ids);
    const found = new Map(rows.map(({ id, owner, last_seq: seq }) => [String(id), `${seq} ${owner}`]));
    for (const id of ids) {
      const now = found.get(id) ?? 'gone';
      if (versions.get(id) === now || !listeners.has(id)) continue;
      versions.set(id, now);
      tell(id);
    }
  };

  const note = (id: string, incarnation: string | undefined): AbortSignal => {
    const known = signals.get(id);
    if (known) known.incarnation ??= incarnation;
    if (known && (incarnation === undefined || known.incarnation === incarnation)) return known.end.signal;
    known?.end.abort();
    const end = new AbortController();
    signals.set(id, { incarnation, end });
    return end.signal;
  };

  return {
    live: () => live,
    isFirst: () =>
      !membership.isDraining() &&
      live.find(({ draining }) => !draining)?.incarnation === membership.incarnation(),

    async locate(sessionId) {
      const found = await sql.get(
        `select n.id, n.address, n.incarnation from sessions s join nodes n on n.incarnation = s.owner
         where s.id = $1`,
        sessionId,
      );
      if (!found || found.incarnation === membership.incarnation()) return undefined;
      const node = addressFromRow(found);
      note(node.id, node.incarnation);
      return node;
    },

    async folderOf(sessionId) {
      const found = await sql.get(
        'select cwd, node, workspace is not null as is_workspace from sessions where id = $1',
        sessionId,
      );
      if (!found || found.node === null) return undefined;
      const { cwd, node, is_workspace: isWorkspace } = found;
      return { path: String(cwd), node: String(node), isWorkspace: Boolean(isWorkspace) };
    },

    async doing(sessionIds) {
      const rows = await sql.all(
        `select s.id, ${STATE} as state, (select e.data::jsonb ->> 'tasks' from events e where e.session_id = s.id and e.seq = s.tasks_seq) as tasks
         from sessions s join nodes n on n.incarnation = s.owner where s.id = any($1)`,
        sessionIds,
      );
      // One that was made by SQL, or whose log lost its oldest events, has none.
      const known = rows.filter(({ state }) => state !== null);
      return new Map(
        known.map(({ id, state, tasks }) => [
          String(id),
          {
            state: SessionState.parse(state),
            // An older version may have written them in another form.
            tasks: (typeof tasks === 'string' && Tasks.safeParse(JSON.parse(tasks)).data) || [],
          },
        ]),
      );
    },

    async atWork() {
      const rows = await sql.all(
        `select s.id, s.tenant, s.created_by, ${STATE} as state
         from nodes n cross join lateral (select * from sessions where owner = n.incarnation offset 0) s
         where s.status = 'connected' and s.hidden is null`,
      );
      return rows.flatMap((row) =>
        row.state === null
          ? []
          : { id: String(row.id), ...ownedFromRow(row), state: SessionState.parse(row.state) },
      );
    },

    // One that no look has found yet has just joined.
    gone: (nodeId) => note(nodeId, undefined),

    onChange(sessionId, listener) {
      const mine = listeners.get(sessionId) ?? new Set();
      listeners.set(sessionId, mine.add(listener));
      return () => {
        mine.delete(listener);
        if (mine.size > 0 || listeners.get(sessionId) !== mine) return;
        listeners.delete(sessionId);
        versions.delete(sessionId);
      };
    },

    async update(nodes) {
      live = nodes;
      for (const { id, incarnation } of nodes) note(id, incarnation);
      for (const [id, { end }] of signals) {
        if (nodes.some((node) => node.id === id)) continue;
        signals.delete(id);
        end.abort();
      }
      await lookUp();
    },

    close: stop,
  };
}
