import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasPostgres, newDatabase } from '../../test/support/postgres.ts';
import { sampleSession, sampleTurn } from '../../test/support/samples.ts';
import { openPostgresStore, type PostgresStore } from './postgres.ts';
import type { KeptPart } from './transcripts.ts';

const partOf = (path: string, data: string, more: Partial<KeptPart> = {}): KeptPart => ({
  path,
  version: 0,
  start: 0,
  data: Buffer.from(data),
  first: true,
  whole: { size: data.length, tail: `tail of ${data.length}` },
  ...more,
});

const ABOUT = { turnId: undefined, preview: 'the first prompt', title: null };

describe.skipIf(!hasPostgres())('transcripts in PostgreSQL', () => {
  let store: PostgresStore;
  beforeAll(async () => {
    store = await openPostgresStore({ url: await newDatabase(), connections: 2 });
  });
  afterAll(() => store?.close());

  /** A session that nobody owns: its fencing number is 0. */
  const newSession = async (more: object = {}): Promise<string> => {
    const session = { ...sampleSession(), ...more };
    await store.write([{ kind: 'insert-session', session }]);
    return session.id;
  };
  const keep = (id: string, parts: KeptPart[], fence = 0): Promise<boolean> =>
    store.transcripts.keep({ sessionId: id, fence }, id, parts, ABOUT);
  const contentOf = async (id: string, path: string): Promise<string | undefined> => {
    const file = (await store.transcripts.files(id, id)).find((each) => each.path === path);
    if (!file) return undefined;
    const chunks: Buffer[] = [];
    for await (const chunk of store.transcripts.read(id, id, file)) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };
  const chunksOf = async (id: string): Promise<number> =>
    Number(
      (await store.pool.get('select count(*) as n from transcript_chunks where session_id = $1', id))?.n,
    );

  test('a file is continued, written anew, and read as it is', async () => {
    const id = await newSession();
    await keep(id, [partOf('a', 'one'), partOf('b/c', 'other \0 bytes'), partOf('empty', '')]);
    await keep(id, [partOf('a', ' two', { start: 3, whole: { size: 7, tail: 't' } })]);
    expect(await contentOf(id, 'a')).toBe('one two');
    expect(await contentOf(id, 'b/c')).toBe('other \0 bytes');
    expect(await contentOf(id, 'empty')).toBe('');
    expect(await chunksOf(id)).toBe(3);
    await keep(id, [partOf('a', 'new', { version: 1 })]);
    expect(await contentOf(id, 'a')).toBe('new');
    expect(await chunksOf(id)).toBe(2);
  });

  test('a file that did not come whole stays as it was, and what came of it is replaced later', async () => {
    const id = await newSession();
    await keep(id, [partOf('a', 'one')]);
    await keep(id, [
      partOf('a', ' half', { start: 3, whole: undefined }),
      partOf('a', ' of it', { start: 8, first: false, whole: undefined }),
    ]);
    expect(await contentOf(id, 'a')).toBe('one');
    await keep(id, [partOf('a', ' longer than that', { start: 3, whole: { size: 20, tail: 't' } })]);
    expect(await contentOf(id, 'a')).toBe('one longer than that');
    // The next version begins the same way.
    await keep(id, [partOf('a', 'unfinished', { version: 1, whole: undefined })]);
    expect(await contentOf(id, 'a')).toBe('one longer than that');
  });

  test('a repeated call changes nothing', async () => {
    const id = await newSession();
    const parts = [
      partOf('a', 'one', { whole: undefined }),
      partOf('a', ' two', { start: 3, first: false, whole: { size: 7, tail: 't' } }),
    ];
    for (let n = 0; n < 2; n++) expect(await keep(id, parts)).toBe(true);
    expect(await contentOf(id, 'a')).toBe('one two');
  });

  test('with another fencing number nothing is kept', async () => {
    const id = await newSession();
    await keep(id, [partOf('a', 'one')]);
    expect(await keep(id, [partOf('a', 'two', { version: 1 })], 7)).toBe(false);
    expect(await contentOf(id, 'a')).toBe('one');
    expect(await keep(randomUUID(), [partOf('a', 'two')])).toBe(false);
  });

  test('names the turns that began after the newest whole one', async () => {
    const id = await newSession();
    const turns = [1, 2, 3].map(() => ({
      ...sampleTurn(id),
      startedAt: '2026-01-01T00:00:00.000Z',
      idempotencyKey: null,
    }));
    const waiting = { ...sampleTurn(id), startedAt: null, idempotencyKey: null };
    await store.write([...turns, waiting].map((turn) => ({ kind: 'insert-turn' as const, turn })));
    const ids = turns.map((turn) => turn.id);
    const behind = () => store.transcripts.behind(id, id);
    const note = (turnId: string | undefined) =>
      store.transcripts.keep({ sessionId: id, fence: 0 }, id, [], { ...ABOUT, turnId });
    expect(await behind()).toEqual([]);
    await note(undefined);
    expect(await behind()).toEqual(ids);
    await note(ids[1]);
    expect(await behind()).toEqual([ids[2]]);
    await note(undefined);
    expect(await behind()).toEqual([ids[2]]);
    await note(ids[2]);
    expect(await behind()).toEqual([]);
  });

  test('lists the present conversation of each session below the roots, newest first', async () => {
    const root = `/${randomUUID()}`;
    const at = (n: number) => `2026-01-0${n}T00:00:00.000Z`;
    const ids: string[] = [];
    for (const [n, cwd] of [root, `${root}/a`, `${root}x`, '/elsewhere'].entries()) {
      const id = await newSession({ cwd, lastActivity: at(n + 1) });
      await keep(id, [partOf('a', 'one')]);
      ids.push(id);
    }
    const [first, second] = ids;
    const list = async (more: object = {}) =>
      (
        await store.transcripts.list({
          scope: {},
          cwd: undefined,
          roots: [root],
          limit: 9,
          after: undefined,
          ...more,
        })
      ).map(({ sessionId }) => sessionId);
    expect(await list()).toEqual([second, first]);
    expect(await list({ limit: 1 })).toEqual([second]);
    expect(await list({ after: { modified: at(2), sessionId: second } })).toEqual([first]);
    expect(await list({ cwd: root })).toEqual([first]);
    expect(await list({ roots: ['/'], cwd: '/elsewhere' })).toEqual([ids[3]]);
    expect(await store.transcripts.count({ scope: {}, cwd: undefined, roots: [root] })).toBe(2);
    expect(await store.transcripts.known([String(first), randomUUID()])).toEqual(new Set([first]));
    expect(await list({ scope: { tenant: 'elsewhere' } })).toEqual([]);
    await store.write([{ kind: 'hide-session', id: String(first) }]);
    expect(await list()).toEqual([second]);
  });

  test('an erasure removes the files too, in steps', async () => {
    const id = await newSession();
    await keep(id, [partOf('a', 'x'.repeat(1_000)), partOf('b', 'y'.repeat(1_000))]);
    await store.write([{ kind: 'hide-session', id }]);
    const step = async (rows: number, bytes: number) =>
      (await store.write([{ kind: 'erase-rows', id, rows, bytes }])).ok;
    while ((await chunksOf(id)) === 2) expect(await step(10, 10)).toBe(true);
    expect(await chunksOf(id)).toBe(1);
    expect(await step(10, 10)).toBe(true);
    expect(await step(10, 10)).toBe(false);
    await store.write([{ kind: 'erase-session', id }]);
    expect(await store.transcripts.files(id, id)).toEqual([]);
    expect(await store.transcripts.known([id])).toEqual(new Set());
  });
});
