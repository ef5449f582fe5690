import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { caughtUp, emptyDatabase, hasPostgres, newDatabase } from '../../test/support/postgres.ts';
import { AT, sampleEvent, sampleSession, sampleTurn } from '../../test/support/samples.ts';
import { openPostgresStore, type PostgresStore } from './postgres.ts';
import { StorageError } from './storage-error.ts';
import { describeStore } from './store.conformance.ts';
import type { Change } from './store.ts';

let url: string;
const stores: PostgresStore[] = [];
const clients: Client[] = [];

/** A store on the database as it is. */
async function reopen(set: { prepared?: boolean } = {}): Promise<PostgresStore> {
  const store = await openPostgresStore({ url, connections: 4, ...set });
  stores.push(store);
  return store;
}

async function open(set: { prepared?: boolean } = {}): Promise<PostgresStore> {
  await emptyDatabase(url);
  return reopen(set);
}

/** A connection beside the store. */
async function connect(): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  clients.push(client);
  return client;
}

async function withSession(store: PostgresStore): Promise<string> {
  const session = sampleSession();
  await store.write([{ kind: 'insert-session', session }]);
  return session.id;
}

const seqs = async (store: PostgresStore, id: string): Promise<number[]> =>
  (await store.readEvents(id, 0, 9_999)).map(({ seq }) => seq);

const told = (id: string): Change => sampleEvent(id, { type: 'session.state' });

describe.skipIf(!hasPostgres())('with PostgreSQL', () => {
  beforeAll(async () => {
    url = await newDatabase();
  });
  afterEach(async () => {
    await Promise.allSettled(stores.splice(0).map((store) => store.close()));
    await Promise.allSettled(clients.splice(0).map((client) => client.end()));
  });

  // A comparison takes 20 times as long as with SQLite in memory.
  describeStore('PostgreSQL', async () => caughtUp(await open()), { runs: 12 });

  test('a store without prepared statements leaves none behind', async () => {
    const store = await open({ prepared: false });
    const id = await withSession(store);
    await store.write([told(id)]);
    expect(await seqs(store, id)).toEqual([1]);
    expect(await store.pool.all('select name from pg_prepared_statements')).toEqual([]);
  });

  test('questions are not compiled, unless the connection is shared with others', async () => {
    const jit = async (set: { prepared?: boolean }) => (await (await reopen(set)).pool.get('show jit'))?.jit;
    await (await connect()).query(
      `do $$ begin execute format('alter database %I set jit = on', current_database()); end $$`,
    );
    expect(await jit({})).toBe('off');
    expect(await jit({ prepared: false })).toBe('on');
  });

  describe('the events of all sessions', () => {
    test('are not read past a transaction that may still commit, and then come in order', async () => {
      const store = await open();
      const [early, late] = [await withSession(store), await withSession(store)];
      const before = await caughtUp(store).lastCursor();
      // Another node's transaction has its place in the order, and takes its time.
      const other = await connect();
      await other.query('begin');
      await other.query('select append_events($1, $2, cursor_base())', [
        early,
        JSON.stringify([{ at: '', type: 'session.state', bytes: 2, history: false, data: '{}' }]),
      ]);
      const written = await store.write([told(late)]);
      expect(written).toMatchObject({ ok: true });
      expect(await seqs(store, late)).toEqual([1]);
      expect(await store.readControlEvents(before, 9)).toEqual([]);
      expect(await store.lastCursor()).toBe(before);
      await other.query('commit');
      const read = await caughtUp(store).readControlEvents(before, 9);
      expect(read.map(({ sessionId }) => sessionId)).toEqual([early, late]);
      expect(written).toMatchObject({ events: [read[1]] });
      expect(await caughtUp(store).lastCursor()).toBe(read[1]?.cursor);
    });

    test('have unique cursors below each other, whatever is written at once by several nodes', async () => {
      const nodes = [await open(), await reopen(), await reopen()];
      const ids = await Promise.all(nodes.map(withSession));
      const first = caughtUp(nodes[0] ?? (await reopen()));
      let reading = true;
      const cursors: number[] = [];
      const reader = (async () => {
        for (let last = false; !last; ) {
          last = !reading;
          const page = await first.readControlEvents(cursors.at(-1) ?? 0, 7);
          cursors.push(...page.map(({ cursor }) => cursor));
          if (page.length > 0) last = false;
        }
      })();
      await Promise.all(
        nodes.map(async (node, n) => {
          for (let round = 0; round < 40; round++) {
            const id = ids[n] ?? '';
            await Promise.all([node.write([told(id), told(id)]), node.write([told(id)])]);
          }
        }),
      );
      reading = false;
      await reader;
      expect(cursors).toHaveLength(3 * 40 * 3);
      expect(cursors).toEqual([...new Set(cursors)].toSorted((a, b) => a - b));
    });

    test('go on above those of a dump that was restored where transaction ids are lower', async () => {
      const store = await open();
      const id = await withSession(store);
      await store.write([told(id)]);
      const other = await connect();
      await other.query('update events set cursor = cursor + 4096000');
      await other.query('update sessions set last_cursor = last_cursor + 4096000');
      const [old] = await caughtUp(await reopen()).readControlEvents(0, 9);
      const again = await reopen();
      const written = await again.write([told(id)]);
      const [, fresh] = await caughtUp(again).readControlEvents(0, 9);
      expect(written).toMatchObject({ events: [fresh] });
      expect(fresh?.cursor).toBeGreaterThan(old?.cursor ?? 0);
    });

    test('wake the watchers of every node', async () => {
      const [one, two] = [await open(), await reopen()];
      const id = await withSession(one);
      const woken = new Promise<string>((resolve) => {
        two.watch(resolve);
      });
      let heard = false;
      woken.then(() => {
        heard = true;
      });
      // LISTEN takes a moment to begin.
      while (!heard) {
        await one.write([told(id)]);
        await sleep(5);
      }
      expect(await woken).toBe(id);
    });
  });

  describe('a session', () => {
    test('takes no write of a node that lost it, even one that had checked before', async () => {
      const store = await open();
      const id = await withSession(store);
      const owned: Change = { kind: 'owned', sessionId: id, fence: 0 };
      const other = await connect();
      await other.query('begin');
      await other.query('update sessions set fence = fence + 1 where id = $1', [id]);
      const waits = store.write([owned, told(id)]);
      await other.query('commit');
      expect(await waits).toEqual({ ok: false, refused: 0 });
      expect(await store.write([{ ...owned, fence: 1 }, told(id)])).toMatchObject({ ok: true });
    });

    test('keeps its cursors in the order of its numbers when a transaction began before another wrote', async () => {
      const store = await open();
      const id = await withSession(store);
      const other = await connect();
      await other.query('begin');
      const { rows } = await other.query<{ base: string }>('select cursor_base() as base');
      await store.write([told(id)]);
      const late = other.query('select append_events($1, $2, $3)', [
        id,
        JSON.stringify([{ at: '', type: 'session.state', bytes: 2, history: false, data: '{}' }]),
        rows[0]?.base,
      ]);
      await expect(late).rejects.toMatchObject({ code: '40001' });
    });

    test('may have turns and requests of ids that another session has', async () => {
      const store = await open();
      const [a, b] = [await withSession(store), await withSession(store)];
      const turnId = randomUUID();
      for (const session of [a, b]) {
        const turn = sampleTurn(session, { id: turnId });
        expect(await store.write([{ kind: 'insert-turn', turn }])).toMatchObject({ ok: true });
        expect(await store.getTurn(session, turnId)).toEqual(turn);
      }
    });

    test('is imported in many writes, and the order of its turns and events stays', async () => {
      const store = await open();
      const session = sampleSession({ status: 'closed', lastSeq: 1_000 });
      const turns = Array.from({ length: 500 }, () => sampleTurn(session.id, { endedAt: 'then' }));
      const events = Array.from({ length: 1_000 }, (_, n) => ({
        sessionId: session.id,
        turnId: null,
        at: AT,
        json: '{}',
        type: n % 2 ? ('agent.message' as const) : ('session.state' as const),
        seq: n + 1,
      }));
      const conversations = [{ id: session.id, afterSeq: 0, fromDisk: false }];
      const none = { sessionId: session.id, conversations: [], turns: [], events: [] };
      const rows = [
        { ...none, conversations },
        ...Array.from({ length: 5 }, (_, n) => ({ ...none, turns: turns.slice(n * 100, n * 100 + 100) })),
        ...Array.from({ length: 10 }, (_, n) => ({ ...none, events: events.slice(n * 100, n * 100 + 100) })),
      ];
      const written = await Promise.all([
        store.write([{ kind: 'begin-import', session }]),
        ...rows.map((each) => store.write([{ kind: 'import-rows', rows: each }])),
        store.write([{ kind: 'end-import', id: session.id, usage: [] }]),
      ]);
      expect(written.every(({ ok }) => ok)).toBe(true);
      const turn = sampleTurn(session.id);
      await store.write([told(session.id), { kind: 'insert-turn', turn }]);
      const listed = await store.listTurns({ sessionId: session.id, limit: 9_999 });
      expect(listed.map(({ id }) => id)).toEqual([...turns, turn].map(({ id }) => id));
      expect((await store.readEvents(session.id, 999, 9)).map(({ seq }) => seq)).toEqual([1_000, 1_001]);
      const control = (await caughtUp(store).readControlEvents(0, 9_999)).map(({ seq }) => seq);
      expect(control).toEqual([...Array.from({ length: 500 }, (_, n) => n * 2 + 1), 1_001]);
    });
  });

  describe('a lost connection', () => {
    const cut = async (): Promise<void> => {
      const client = await connect();
      await client.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and application_name = 'claude-agent-server'`,
      );
      await client.end();
    };

    test('loses no write and repeats none, whenever it breaks', async () => {
      const store = await open();
      const id = await withSession(store);
      let written = 0;
      for (let round = 0; round < 25; round++) {
        const burst = Promise.all(Array.from({ length: 20 }, () => store.write([told(id)])));
        await sleep(round % 5);
        await cut();
        written += (await burst).filter(({ ok }) => ok).length;
      }
      expect(written).toBe(500);
      expect(await seqs(store, id)).toEqual(Array.from({ length: written }, (_, n) => n + 1));
    });

    test('in the middle of a commit gives the answer that was lost', async () => {
      const store = await open();
      const id = await withSession(store);
      const other = await connect();
      // The write waits for this lock; its connection breaks; the next call waits for the first to be over.
      await other.query('begin');
      await other.query('select from sessions where id = $1 for update', [id]);
      const writes = [store.write([told(id)]), store.write([told(id), told(id)])];
      await expect.poll(() => waiting(other)).toBeGreaterThan(0);
      await cut();
      await other.query('commit').catch(() => {});
      expect(await Promise.all(writes)).toMatchObject([
        { ok: true, events: [{ seq: 1 }] },
        { ok: true, events: [{ seq: 2 }, { seq: 3 }] },
      ]);
      expect(await seqs(store, id)).toEqual([1, 2, 3]);
    });

    const waiting = async (client: Client): Promise<number> => {
      const { rows } = await client.query<{ n: number }>(
        "select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
      );
      return rows[0]?.n ?? 0;
    };

    test('does not hurt a read', async () => {
      const store = await open();
      const id = await withSession(store);
      for (let n = 0; n < 5; n++) {
        await Promise.all(Array.from({ length: 4 }, () => store.getSession(id)));
        await cut();
        expect(await store.getSession(id)).toMatchObject({ id });
      }
    });
  });

  describe('a database that cannot be used', () => {
    test('that is read-only rejects writes with a sentence, and takes them again later', async () => {
      const store = await open();
      const id = await withSession(store);
      const other = await connect();
      const name = new URL(url.replace('test@', '')).pathname.slice(1);
      await other.query(`alter database ${name} set default_transaction_read_only = on`);
      // The setting is that of new connections.
      await other.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()`,
      );
      const failed = await Promise.allSettled([store.write([told(id)]), store.write([told(id)])]);
      expect(failed).toMatchObject([
        { reason: expect.any(StorageError) },
        { reason: { message: expect.stringMatching(/^PostgreSQL: .*read-only transaction/) } },
      ]);
      await expect(store.probe()).rejects.toThrow(/read-only/);
      await other.query('set default_transaction_read_only = off');
      await other.query(`alter database ${name} reset default_transaction_read_only`);
      await other.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()`,
      );
      expect(await store.write([told(id)])).toMatchObject({ ok: true, events: [{ seq: 1 }] });
      await store.probe();
    });

    test('that is not there fails reads and writes after a moment, without the password in the sentence', async () => {
      await expect(
        openPostgresStore({ url: 'postgres://someone:secret@127.0.0.1:1/nothing' }),
      ).rejects.toThrow(/^(?!.*secret)PostgreSQL: .*ECONNREFUSED/);
    });
  });
});
