import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { hasPostgres, newDatabase } from '../../test/support/postgres.ts';
import { sampleEvent, sampleSession, sampleTurn } from '../../test/support/samples.ts';
import { createPostgresPool } from '../store/postgres/pool.ts';
import { openPostgresStore, type PostgresStore } from '../store/postgres.ts';
import type { ReadRow } from '../store/rows.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { createMembership } from './membership.ts';
import { createNodes } from './nodes.ts';
import { createSharedOwnership } from './shared-ownership.ts';

const HEARTBEAT_MS = 200;
const LEASE_MS = 1_500;

describe.skipIf(!hasPostgres())('nodes on one database', () => {
  let url: string;
  let store: PostgresStore;
  let ends: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    url = await newDatabase();
    store = await openPostgresStore({ url });
  });
  afterEach(async () => {
    await Promise.all(ends.map((end) => end()));
    ends = [];
    // The next test's nodes would take them over.
    await store.pool.all('update sessions set owner = null');
  });
  afterAll(() => store?.close());

  interface Node extends Cluster {
    lost: string[];
    taken: string[];
    /** Stops its heartbeats, as if it were frozen. */
    freeze(): void;
    thaw(): void;
    /** What comes between the database and the next answer to a statement with this text. */
    onAnswer(text: string, then: (rows: ReadRow[]) => Promise<ReadRow[]>): void;
  }

  const join = async (name: string): Promise<Node> => {
    const pool = createPostgresPool({ url, connections: 4 });
    let thawed = Promise.withResolvers<void>();
    thawed.resolve();
    let between: { text: string; then(rows: ReadRow[]): Promise<ReadRow[]> } | undefined;
    const all: typeof pool.all = async (text, ...values) => {
      await thawed.promise;
      const rows = await pool.all(text, ...values);
      // A look that finds nothing is not what a test waits for.
      if (rows.length === 0 || !between || !text.includes(between.text)) return rows;
      const { then } = between;
      between = undefined;
      return then(rows);
    };
    const slow: typeof pool = {
      ...pool,
      all,
      get: async (...given) => (await all(...given))[0],
    };
    const cluster = createCluster({
      store,
      pool: slow,
      id: `${name} ${crypto.randomUUID()}`,
      heartbeatMs: HEARTBEAT_MS,
      leaseMs: LEASE_MS,
      sharedFolders: true,
      onError: () => {},
    });
    let leaving: Promise<void> | undefined;
    const node: Node = {
      ...cluster,
      leave() {
        leaving ??= cluster.leave();
        return leaving;
      },
      lost: [],
      taken: [],
      freeze() {
        thawed = Promise.withResolvers();
      },
      thaw: () => thawed.resolve(),
      onAnswer(text, then) {
        between = { text, then };
      },
    };
    cluster.ownership.onLost(async (ids) => void node.lost.push(...(ids === 'all' ? ['all'] : ids)));
    await cluster.join(`http://${name}`, {
      async takeOver(id) {
        node.taken.push(id);
        cluster.ownership.settled(id);
      },
      room: () => 1,
    });
    ends.push(async () => {
      node.thaw();
      await node.leave();
    });
    return node;
  };

  const newSession = async (on: Node, more: Parameters<Node['ownership']['write']>[1] = []) => {
    const session = sampleSession();
    await on.ownership.write(session.id, [{ kind: 'insert-session', session }, ...more]);
    return session.id;
  };
  const append = (on: Node, id: string) => on.ownership.write(id, [sampleEvent(id)]);

  test('a session belongs to the node that made it, and others are told where that is', async () => {
    const [a, b] = [await join('a'), await join('b')];
    const id = await newSession(a);
    expect(await a.ownership.acquire(id)).toEqual({ owned: true, open: false });
    expect(await b.ownership.acquire(id)).toMatchObject({ owned: false, node: { address: 'http://a' } });
    expect(await b.nodes.locate(id)).toMatchObject({ address: 'http://a' });
    expect(await a.nodes.locate(id)).toBeUndefined();
    await expect(append(b, id)).rejects.toMatchObject({ code: 'session_moved' });
    expect(await append(a, id)).toMatchObject({ ok: true });
  });

  test('of several nodes that ask for a released session at once, one gets it', async () => {
    const nodes = await Promise.all(['a', 'b', 'c'].map(join));
    const id = await newSession(nodes[0] as Node);
    for (let n = 0; n < 10; n++) {
      const answers = await Promise.all(nodes.map((node) => node.ownership.acquire(id)));
      const owner = nodes[answers.findIndex(({ owned }) => owned)] as Node;
      expect(answers.filter(({ owned }) => owned)).toHaveLength(1);
      const written = await Promise.allSettled(nodes.map((node) => append(node, id)));
      expect(written.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      await owner.ownership.release(id);
    }
  });

  test('a session that does not exist has no owner', async () => {
    const a = await join('a');
    const id = crypto.randomUUID();
    expect(await a.ownership.acquire(id)).toEqual({ owned: true, open: false });
    expect(a.ownership.owns(id)).toBe(false);
  });

  test('a node without heartbeats loses what it has, and its late writes are refused', async () => {
    const [a, b] = [await join('a'), await join('b')];
    const turn = (id: string) => sampleTurn(id);
    const open = await newSession(a);
    await a.ownership.write(open, [{ kind: 'insert-turn', turn: turn(open) }]);
    const idle = await newSession(a);
    const before = a.membership.incarnation();
    a.freeze();
    await vi.waitFor(() => expect(b.taken).toEqual([open]), { timeout: 10_000 });
    expect(a.lost).toEqual(['all']);
    expect(a.membership.incarnation()).toBeUndefined();
    await expect(append(a, open)).rejects.toMatchObject({ code: 'session_moved' });
    expect(await append(b, open)).toMatchObject({ ok: true });
    // Idle sessions go back to nobody.
    expect(await store.pool.get('select owner from sessions where id = $1', idle)).toEqual({ owner: null });
    a.thaw();
    await vi.waitFor(() => expect(a.membership.incarnation()).toBeDefined(), { timeout: 10_000 });
    expect(a.membership.incarnation()).not.toBe(before);
    expect(await a.ownership.acquire(open)).toMatchObject({ owned: false, node: { address: 'http://b' } });
    expect(await a.ownership.acquire(idle)).toMatchObject({ owned: true });
  });

  test('a write under an old fencing number loses that session only', async () => {
    const a = await join('a');
    const [id, other] = [await newSession(a), await newSession(a)];
    await store.pool.all('update sessions set fence = fence + 1 where id = $1', id);
    await expect(append(a, id)).rejects.toMatchObject({ code: 'session_moved' });
    expect(a.lost).toEqual([id]);
    expect(a.ownership.owns(id)).toBe(false);
    expect(await append(a, other)).toMatchObject({ ok: true });
  });

  test('a session that is handed over is taken by another node, soon', async () => {
    const [a, b] = [await join('a'), await join('b')];
    const id = await newSession(a);
    await a.ownership.write(id, [{ kind: 'insert-turn', turn: sampleTurn(id) }]);
    await a.drain();
    await a.ownership.handOver(id);
    await vi.waitFor(() => expect(b.taken).toEqual([id]), { timeout: 5_000 });
    // A node that drains takes nothing, and still knows where to look.
    expect(await a.ownership.acquire(id)).toMatchObject({ owned: false, node: { address: 'http://b' } });
  });

  test('what a node leaves behind is taken over soon', async () => {
    const [a, b] = [await join('a'), await join('b')];
    const id = await newSession(a);
    await a.ownership.write(id, [{ kind: 'insert-turn', turn: sampleTurn(id) }]);
    await a.leave();
    await vi.waitFor(() => expect(b.taken).toEqual([id]), { timeout: 5_000 });
    await sleep(HEARTBEAT_MS);
    expect(b.nodes.live().map(({ address }) => address)).toEqual(['http://b']);
  });

  test('what a dead node still wrote is found, too', async () => {
    const a = await join('a');
    await sleep(HEARTBEAT_MS);
    const session = sampleSession();
    await store.write([
      { kind: 'insert-session', session, owner: 'an incarnation that nobody saw' },
      { kind: 'insert-turn', turn: sampleTurn(session.id) },
    ]);
    await vi.waitFor(() => expect(a.taken).toEqual([session.id]), { timeout: 10_000 });
  });

  const TAKES = 'for update skip locked';

  /** A session with a message that waits, whose node has handed it over. */
  const handedOver = async (from: Node): Promise<string> => {
    const id = await newSession(from);
    await from.ownership.write(id, [{ kind: 'insert-turn', turn: sampleTurn(id) }]);
    await from.drain();
    await from.ownership.handOver(id);
    return id;
  };

  test('a session that a node took without hearing of it is not left alone: the answer was lost', async () => {
    const [a, b] = [await join('a'), await join('b')];
    b.onAnswer(TAKES, async () => {
      throw new Error('The answer came too late.');
    });
    const id = await handedOver(a);
    await vi.waitFor(() => expect(b.taken).toEqual([id]), { timeout: 5_000 });
    expect(await append(b, id)).toMatchObject({ ok: true });
  });

  test('nor one whose statement was sent again after its connection broke, and found nothing', async () => {
    const [a, b] = [await join('a'), await join('b')];
    b.onAnswer(TAKES, async () => []);
    const id = await handedOver(a);
    await vi.waitFor(() => expect(b.taken).toEqual([id]), { timeout: 5_000 });
    expect(await append(b, id)).toMatchObject({ ok: true });
  });

  test('two statements that take a session for one node may answer in the other order', async () => {
    const [a, b] = [await join('a'), await join('b')];
    const taken = Promise.withResolvers<void>();
    const late = Promise.withResolvers<void>();
    b.onAnswer(TAKES, async (rows) => {
      taken.resolve();
      await late.promise;
      return rows;
    });
    const id = await handedOver(a);
    await taken.promise;
    expect(await b.ownership.acquire(id)).toEqual({ owned: true, open: true });
    const fence = b.ownership.fence(id);
    late.resolve();
    await vi.waitFor(() => expect(b.taken).toContain(id), { timeout: 5_000 });
    expect(b.ownership.fence(id)).toBe(fence);
    expect(await append(b, id)).toMatchObject({ ok: true });
    expect(b.lost).toEqual([]);
  });

  test('a message that a dead node wrote while its session was taken as idle runs', async () => {
    const [a, b] = [await join('a'), await join('b')];
    const id = await newSession(a);
    b.onAnswer(TAKES, async (rows) => {
      // Its transaction had begun before, and commits now.
      await store.write([{ kind: 'insert-turn', turn: sampleTurn(id) }]);
      return rows;
    });
    await a.leave();
    await vi.waitFor(() => expect(b.taken).toEqual([id]), { timeout: 5_000 });
  });

  test('a message that a dead node writes while its session is acquired is seen as open work', async () => {
    const onError = (): void => {};
    // It does not look for sessions.
    const membership = createMembership({
      sql: store.pool,
      id: 'b',
      heartbeatMs: HEARTBEAT_MS,
      leaseMs: 60_000,
      room: () => 1,
      onError,
    });
    await membership.join('http://b');
    ends.push(membership.leave);
    const { acquire } = createSharedOwnership({
      sql: store.pool,
      store,
      membership,
      sharedFolders: true,
      onError,
    });
    const [session, other] = [sampleSession(), sampleSession()];
    await store.write([
      { kind: 'insert-session', session, owner: 'a dead node' },
      { kind: 'insert-session', session: other },
      { kind: 'insert-turn', turn: sampleTurn(other.id) },
    ]);
    const { acquired } = await store.pool.transaction(async (sql) => {
      await sql.all('update sessions set message_count = 1 where id = $1', session.id);
      const asked = acquire(session.id);
      await vi.waitFor(async () => {
        const waits = await store.pool.all(
          "select from pg_stat_activity where wait_event_type = 'Lock' and query like 'update sessions s%'",
        );
        expect(waits).toHaveLength(1);
      });
      await sql.all(
        `insert into turns select (jsonb_populate_record(t, jsonb_build_object('session_id', $1::text))).*
         from turns t where session_id = $2`,
        session.id,
        other.id,
      );
      return { acquired: asked };
    });
    expect(await acquired).toEqual({ owned: true, open: true });
  });

  test('one node does what has to be done once, until it drains', async () => {
    const nodes = [await join('a'), await join('b'), await join('c')];
    const first = (): string[] =>
      nodes.filter(({ nodes: { isFirst } }) => isFirst()).map(({ membership }) => membership.id);
    await vi.waitFor(() => expect(first()).toEqual([nodes[0]?.membership.id]), { timeout: 5_000 });
    await nodes[0]?.drain();
    expect(first()).toEqual([]);
    await vi.waitFor(() => expect(first()).toEqual([nodes[1]?.membership.id]), { timeout: 5_000 });
  });

  test('a look tells the followers of a session only what changed, all sessions in one question', async () => {
    const pool = createPostgresPool({ url, connections: 1 });
    const asked: string[] = [];
    const nodes = createNodes({
      sql: { ...pool, all: (text, ...values) => pool.all(text, ...values).finally(() => asked.push(text)) },
      membership: { incarnation: () => undefined, isDraining: () => false },
      watch: () => () => {},
    });
    const a = await join('a');
    const [one, two] = [await newSession(a), await newSession(a)];
    const told: string[] = [];
    const stops = [one, two].map((id) => nodes.onChange(id, () => void told.push(id)));
    const look = async (): Promise<string[]> => {
      told.length = 0;
      await nodes.update([]);
      return told;
    };
    expect(await look()).toEqual([one, two]);
    expect(await look()).toEqual([]);
    await append(a, two);
    expect(await look()).toEqual([two]);
    await a.ownership.release(one);
    expect(await look()).toEqual([one]);
    expect(asked).toHaveLength(4);
    for (const stop of stops) stop();
    await nodes.update([]);
    expect(asked).toHaveLength(4);
    await pool.close();
  });

  test('nobody waits for a node that is gone', async () => {
    const [a, b] = [await join('a'), await join('b')];
    const id = await newSession(a);
    const found = await b.nodes.locate(id);
    const gone = b.nodes.gone(found?.id ?? '');
    expect(gone.aborted).toBe(false);
    await a.leave();
    await vi.waitFor(() => expect(gone.aborted).toBe(true), { timeout: 5_000 });
    expect(await b.nodes.locate(id)).toBeUndefined();
  });
});
