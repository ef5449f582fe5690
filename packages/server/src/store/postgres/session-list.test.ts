import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { emptyDatabase, hasPostgres, newDatabase } from '../../../test/support/postgres.ts';
import { sampleSession, sampleTurn } from '../../../test/support/samples.ts';
import { openPostgresStore, type PostgresStore } from '../postgres.ts';
import type { SessionQuery } from '../store.ts';

describe.skipIf(!hasPostgres())('a search in PostgreSQL', () => {
  let url: string;
  let store: PostgresStore;
  beforeAll(async () => {
    url = await newDatabase();
    store = await openPostgresStore({ url, connections: 2 });
  });
  beforeEach(() => emptyDatabase(url));
  afterAll(() => store?.close());

  const find = async (query: Partial<SessionQuery>, on = store): Promise<string[]> =>
    (await on.listSessions({ status: 'all', limit: 100, ...query })).sessions.map(({ id }) => id);

  test('finds a common word and a common tag, also in sessions that are older than those that are tested first', async () => {
    // Session n is the nth; the oldest 300 have the word in 9 messages each, and a tag.
    await store.pool.all(`
      insert into sessions (id, created_at, last_activity, status, metadata, tags, cwd, permission_mode, options,
          message_count, conversation_id, has_transcript)
        select n::text, '', to_char(n, 'FM0000'), 'closed', '{}',
          case when n <= 300 then array['["old",true]'] else '{}' end, '/' || n % 2, 'default', '{}', 0, n::text, false
        from generate_series(1, 1000) n`);
    await store.pool.all(`
      insert into turns (session_id, id, position, state, initiator, input, input_hash, wait_for, urgent, created_at)
        select n::text, k::text, n * 10 + k, 'completed', 'user',
          case when n <= 300 then '"a common word"' else '"something else"' end, '', 'turn', false, ''
        from generate_series(1, 1000) n, generate_series(1, 9) k`);
    await store.pool.all('analyze');
    const oldest = Array.from({ length: 300 }, (_, n) => String(300 - n));
    expect(await store.pool.get("select are_few('%common%', null) as few")).toEqual({ few: false });
    expect(await find({ q: 'common', limit: 300 })).toEqual(oldest);
    expect(await find({ q: 'common', metadata: { old: true }, limit: 300 })).toEqual(oldest);
    expect(await find({ metadata: { old: true }, limit: 300 })).toEqual(oldest);
    expect(await find({ q: 'common', cwd: '/1', status: 'closed', limit: 9 })).toEqual(
      oldest.filter((id) => Number(id) % 2 === 1).slice(0, 9),
    );
    // Common among the newest: the first ones fill the page.
    expect(await find({ q: 'something', limit: 2 })).toEqual(['1000', '999']);
    const { next } = await store.listSessions({ status: 'all', limit: 150, q: 'common' });
    expect(await find({ q: 'common', limit: 300, cursor: next ?? '' })).toEqual(oldest.slice(150));
  });

  test('follows the title, the metadata and the end of a session', async () => {
    const session = sampleSession({ title: 'The first title', metadata: { team: 'a' } });
    const { id } = session;
    await store.write([
      { kind: 'insert-session', session },
      { kind: 'insert-turn', turn: sampleTurn(id, { input: 'NUL \0, half \ud800 and "quotes"' }) },
    ]);
    expect(await find({ q: 'FIRST title', metadata: { team: 'a' } })).toEqual([id]);
    expect(await find({ q: 'and "quotes"' })).toEqual([id]);
    await store.write([
      { kind: 'update-session', id, set: { title: 'The second', metadata: { team: 'b' }, status: 'closed' } },
    ]);
    expect(await find({ q: 'first title' })).toEqual([]);
    expect(await find({ q: 'second', metadata: { team: 'b' }, status: 'closed' })).toEqual([id]);
    expect(await find({ q: 'second', status: 'connected' })).toEqual([]);
    expect(await find({ metadata: { team: 'a' } })).toEqual([]);
    await store.write([{ kind: 'update-session', id, set: { title: null, metadata: {} } }]);
    expect(await find({ q: 'second' })).toEqual([]);
    await store.write([
      { kind: 'hide-session', id },
      { kind: 'erase-rows', id, rows: 9, bytes: 9_999 },
      { kind: 'erase-session', id },
    ]);
    const left = await store.pool.get(
      'select (select count(*) from turn_texts) + (select count(*) from session_labels) as n',
    );
    expect(left).toEqual({ n: 0 });
  });

  test('works without the extension, and says what an administrator has to do', async () => {
    const bare = await newDatabase();
    const admin = new Client({ connectionString: bare });
    await admin.connect();
    await admin.query('create role without_rights login; grant all on schema public to without_rights');
    const said: unknown[] = [];
    const limited = await openPostgresStore({
      url: bare.replace('test@', 'without_rights@'),
      onError: (error) => said.push(error),
    });
    try {
      expect(said).toEqual([
        expect.objectContaining({ message: expect.stringContaining('create extension pg_trgm') }),
      ]);
      const session = sampleSession({ metadata: { team: 'a' } });
      await limited.write([
        { kind: 'insert-session', session },
        { kind: 'insert-turn', turn: sampleTurn(session.id, { input: 'a needle in hay' }) },
      ]);
      expect(await find({ q: 'needle', metadata: { team: 'a' } }, limited)).toEqual([session.id]);
      expect(await find({ q: 'noodle' }, limited)).toEqual([]);
    } finally {
      await limited.close();
      await admin.query('drop owned by without_rights; drop role without_rights');
      await admin.end();
    }
  });
});
