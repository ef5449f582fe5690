import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { Client } from 'pg';
import { afterAll, describe, expect, test } from 'vitest';
import { hasPostgres, newDatabase } from '../../test/support/postgres.ts';
import {
  AT,
  importOf,
  sampleEvent,
  sampleImport,
  samplePermission,
  sampleSession,
  sampleTurn,
} from '../../test/support/samples.ts';
import { commands } from '../../test/support/store-model.ts';
import { takeHome } from '../lock.ts';
import { openPostgresStore } from '../store/postgres.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import type { Change, Store } from '../store/store.ts';
import { migrate } from './command.ts';
import { refuseMoved } from './mark.ts';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
const base = mkdtempSync(join(tmpdir(), 'move-test-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));
let homes = 0;

/** A home with what `fill` writes to it. */
async function newHome(fill: (store: Store) => Promise<void>): Promise<string> {
  const home = join(base, `home-${homes++}`);
  mkdirSync(home);
  const store = openSqliteStore(join(home, 'server.db'));
  await fill(store);
  await store.close();
  return home;
}

/** Runs the command here, and returns its exit code and what it said. */
async function run(home: string, url: string, ...flags: string[]): Promise<{ code: number; said: string }> {
  const said: string[] = [];
  try {
    const code = await migrate(
      ['--from', home, '--to', url, '--without-transcripts', ...flags],
      { HOME: base },
      (line) => said.push(line),
    );
    return { code, said: said.join('\n') };
  } catch (error) {
    return { code: 2, said: (error as Error).message };
  }
}

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

/** Everything that a store says, of all sessions and of each, without the cursor of its newest event. */
async function everything(store: Store): Promise<unknown> {
  const { sessions } = await store.listSessions({ status: 'all', limit: 9_999 });
  const turns = (
    await Promise.all(sessions.map(({ id }) => store.listTurns({ sessionId: id, limit: 9_999 })))
  ).flat();
  const { permissions, next } = await store.pendingPermissions({ limit: 2 });
  const each = sessions.map(async ({ id, lastSeq }) => ({
    conversations: await store.conversations(id),
    events: await store.readEvents(id, 0, 9_999),
    history: await store.history(id, { after: 0, until: lastSeq, limit: 9_999, offset: 0 }),
    usage: await store.sessionUsage(id),
    byKey: await store.getTurnByKey(id, 'k1'),
    calls: await store.permissionsOfCall(id, 'toolu_1'),
    open: await store.openWork([id]),
  }));
  return {
    sessions,
    turns,
    permissions,
    next,
    each: await Promise.all(each),
    starts: await Promise.all(turns.map(({ id, sessionId }) => store.turnStart(sessionId, id))),
    answered: await Promise.all(turns.map(({ sessionId }) => store.getPermission(sessionId, 'p-1'))),
    page: await store.listSessions({ status: 'all', limit: 2 }),
    tagged: await store.listSessions({ status: 'all', limit: 99, metadata: { team: 'a"\\{' } }),
    control: await store.readControlEvents(0, 9_999),
    trimmed: await store.trimmedCursor(),
    tasks: await store.sessionsWithTasks(),
    sizes: await store.logSizes('', 9_999),
    total: await store.totalUsage(),
    past: await store.pastConversations(),
    hidden: await store.hiddenSessions(),
    open: await store.openWork(),
  };
}

/** Whatever the interface lets one write. */
async function fillWithAll(store: Store): Promise<void> {
  for (const program of fc.sample(commands(), { numRuns: 30, seed: 7 })) {
    for (const writes of program) {
      await Promise.all(writes.map((changes) => store.write(changes).catch(() => undefined)));
    }
  }
  const one = sampleSession({
    title: 'tab\t newline\n back\\slash \u{1f600}\u0007 \\N',
    metadata: { team: 'a"\\{', nested: { a: [1] }, n: 1.5, none: null },
    lastActivity: '2026-02-01T00:00:00.000Z',
    workspace: {
      source: { git: 'https://example.com/r.git', ref: null },
      saved: { version: 3, at: AT, object: { key: 'k', bytes: 1, sha256: 'x' }, base: null },
      problem: null,
    },
  });
  const turn = sampleTurn(one.id, { idempotencyKey: 'k1', input: 'with "quotes"\r\n' });
  const usage = (model: string, costUsd: number): Change => ({
    kind: 'add-usage',
    sessionId: one.id,
    usage: {
      model,
      inputTokens: 2 ** 40,
      outputTokens: 1,
      cacheReadInputTokens: 2,
      cacheCreationInputTokens: 3,
      costUsd,
    },
  });
  await store.write([
    { kind: 'insert-session', session: one },
    { kind: 'insert-turn', turn },
    {
      kind: 'insert-permission',
      permission: samplePermission(one.id, { id: 'p-1', toolUseId: 'toolu_1', durable: true }),
    },
    { kind: 'insert-call', call: { id: 'call', sessionId: one.id, turnId: turn.id, kind: 'tool' } },
    sampleEvent(one.id, { type: 'turn.queued', turnId: turn.id, json: '{"text":"\\u0000\\ud800"}' }),
    sampleEvent(one.id, { type: 'turn.started', turnId: turn.id }),
    sampleEvent(one.id, { json: '{"type":"assistant","text":"line\\nbreak\\\\"}' }),
    sampleEvent(one.id, { json: '{"type":"user","parent_tool_use_id":"toolu_1"}' }),
    sampleEvent(one.id, { type: 'session.tasks', json: '{"tasks":[{"id":"t"}]}' }),
    { kind: 'insert-conversation', id: 'second', sessionId: one.id },
    { kind: 'update-session', id: one.id, set: { conversationId: 'second' } },
    usage('demo', 0.1 + 0.2),
    usage('other', 1e-7),
    { kind: 'add-key-usage', keyId: 'ci', costUsd: 1 / 3 },
  ]);
  const [gone, going] = [sampleSession(), sampleSession()];
  await store.write([
    { kind: 'insert-session', session: gone },
    { kind: 'insert-turn', turn: sampleTurn(gone.id, { endedAt: AT, state: 'completed' }) },
    {
      kind: 'add-usage',
      sessionId: gone.id,
      usage: {
        ...(await store.totalUsage()).rows[0],
        model: 'demo',
        inputTokens: 5,
        outputTokens: 5,
        cacheReadInputTokens: 5,
        cacheCreationInputTokens: 5,
        costUsd: 0.7,
      },
    },
    { kind: 'erase-session', id: gone.id },
    { kind: 'insert-session', session: going },
    { kind: 'hide-session', id: going.id },
  ]);
  await store.write(importOf(sampleImport()));
  await store.write([{ kind: 'begin-import', session: sampleSession() }]);
}

/** A home that is large enough to be killed in. */
const fillLarge = (rows: number) => async (store: Store) => {
  const session = sampleSession();
  await store.write([{ kind: 'insert-session', session }]);
  const json = JSON.stringify({ type: 'assistant', text: 'x'.repeat(900) });
  for (let n = 0; n < rows; n += 1_000) {
    await store.write(Array.from({ length: 1_000 }, () => sampleEvent(session.id, { json })));
  }
};

describe.skipIf(!hasPostgres())('a home that is moved to PostgreSQL', () => {
  test('gives the same answers there, and its cursors go on', async () => {
    const home = await newHome(fillWithAll);
    const url = await newDatabase();
    expect(await run(home, url, '--dry-run')).toMatchObject({
      code: 0,
      said: expect.stringMatching(/nothing was changed/),
    });
    expect(await query(url, "select from pg_tables where schemaname = 'public'")).toEqual([]);
    expect(await run(home, url)).toMatchObject({ code: 0, said: expect.stringMatching(/Moved .*hashes/) });

    const before = openSqliteStore(join(home, 'server.db'));
    const after = await openPostgresStore({ url });
    try {
      expect(await everything(after)).toEqual(await everything(before));
      const newest = await before.lastCursor();
      const [session] = (await after.listSessions({ status: 'all', limit: 1 })).sessions;
      const written = await after.write([sampleEvent(session?.id ?? '', { type: 'session.state' })]);
      expect(written).toMatchObject({ ok: true, events: [{ seq: (session?.lastSeq ?? 0) + 1 }] });
      await expect.poll(async () => (await after.readControlEvents(newest, 9)).length).toBe(1);
    } finally {
      await before.close();
      await after.close();
    }
    // Sessions with open work belong to a node that is gone: the next one takes them.
    expect(await query(url, `select count(*)::int as n from sessions where owner is not null`)).not.toEqual([
      { n: 0 },
    ]);
    expect(await run(home, url)).toMatchObject({
      code: 0,
      said: expect.stringMatching(/were moved to .*--verify/),
    });
    expect(() => refuseMoved(home)).toThrow(/were moved to .*Start with --database-url/);
  });

  test('is compared row by row: a row that is missing, changed or added is found', async () => {
    const home = await newHome(fillWithAll);
    const url = await newDatabase();
    // A row that may be of a session or of none.
    const db = new DatabaseSync(join(home, 'server.db'));
    db.exec(`insert into api_keys (id, tenant, name, role, hash, session_id, created_at)
      values ('a', 'default', 'ci', 'operator', 'x', null, '${AT}'), ('b', 'default', 'one', 'viewer', 'y', 's', '${AT}')`);
    db.close();
    // A server has run there, and nobody has made a session.
    await (await openPostgresStore({ url })).close();
    await query(url, 'insert into trimmed values (0, 5); insert into erased_turns values (3, 0)');
    expect(await run(home, url)).toMatchObject({ code: 0 });
    expect(await run(home, url, '--verify')).toMatchObject({ code: 0, said: '' });
    expect(await query(url, 'select id, session_id from api_keys order by id')).toEqual([
      { id: 'a', session_id: null },
      { id: 'b', session_id: 's' },
    ]);
    await query(url, "update events set data = data || ' ' where ctid = (select min(ctid) from events)");
    await query(url, 'delete from usage where ctid = (select min(ctid) from usage)');
    await query(url, "insert into key_usage values ('nobody', 0, 1)");
    await query(url, "update sessions set tags = '{x}' where ctid = (select min(ctid) from sessions)");
    const { code, said } = await run(home, url, '--verify');
    expect(code).toBe(3);
    for (const table of ['events', 'usage', 'key_usage', 'sessions'])
      expect(said).toMatch(new RegExp(`^  ${table}\\b`, 'm'));
    expect(said).toMatch(/with other content/);
  });

  test("brings the agent's files of its conversations, and says which are missing or not the same", async () => {
    const [one, two] = [sampleSession({ hasTranscript: true }), sampleSession({ hasTranscript: true })];
    const home = await newHome(async (store) => {
      await store.write([one, two].map((session) => ({ kind: 'insert-session', session })));
    });
    const url = await newDatabase();
    const migrateHere = async (...flags: string[]) => {
      const said: string[] = [];
      const env = { HOME: base, CLAUDE_CONFIG_DIR: join(home, 'agent') };
      const code = await migrate(['--from', home, '--to', url, ...flags], env, (line) =>
        said.push(line),
      ).catch((error: Error) => error.message);
      return { code, said: said.join('\n') };
    };
    expect(await migrateHere()).toMatchObject({
      code: expect.stringMatching(/None of 2 conversations has a transcript/),
    });
    const project = join(home, 'agent', 'projects', '-work');
    mkdirSync(join(project, one.id, 'subagents'), { recursive: true });
    const line = (text: string): string =>
      `${JSON.stringify({ type: 'user', message: { role: 'user', content: text } })}\n`;
    const main = join(project, `${one.id}.jsonl`);
    writeFileSync(main, line('hello').repeat(20_000));
    writeFileSync(join(project, one.id, 'subagents', 'a.jsonl'), line('sub'));
    expect(await migrateHere('--dry-run')).toMatchObject({
      code: 0,
      said: expect.stringMatching(/2 files .*Of 1 conversations there is no/),
    });
    expect(await migrateHere()).toMatchObject({
      code: 0,
      said: expect.stringMatching(/2 files of conversations/),
    });
    expect(await migrateHere('--verify')).toMatchObject({ code: 0 });
    const store = await openPostgresStore({ url });
    expect(await store.transcripts.files(one.id, one.id)).toHaveLength(2);
    await store.close();
    writeFileSync(main, readFileSync(main, 'utf8').replace('hello', 'hullo'));
    expect(await migrateHere('--verify')).toMatchObject({
      code: 3,
      said: expect.stringMatching(`${one.id}.jsonl is not in the database`),
    });
  });

  test('goes on where it was when the program is killed', { timeout: 60_000 }, async () => {
    const home = await newHome(fillLarge(25_000));
    const url = await newDatabase();
    for (const atLeast of [1, 10_000]) {
      const child = spawn(
        process.execPath,
        ['--conditions=claude-agent-source', MAIN, 'migrate', '--from', home, '--to', url],
        {
          env: { PATH: process.env.PATH ?? '', HOME: base },
          stdio: 'ignore',
        },
      );
      const ended = new Promise((resolve) => child.once('exit', resolve));
      const rows = async (): Promise<number> => {
        const [found] = await query(url, "select copied #>> '{events,rows}' as n from moved_home").catch(
          () => [],
        );
        return Number(found?.n ?? 0);
      };
      while (child.exitCode === null && (await rows()) < atLeast);
      child.kill('SIGKILL');
      await ended;
    }
    const [{ n } = { n: 0 }] = await query(url, 'select count(*)::int as n from events');
    expect(n).toBeGreaterThanOrEqual(10_000);
    expect(n).toBeLessThan(25_000);

    // A part is never taken for the whole, on either side.
    expect(() => refuseMoved(home)).toThrow(/are being moved/);
    const store = await openPostgresStore({ url });
    expect(await store.listSessions({ status: 'all', limit: 9 })).toMatchObject({ sessions: [] });
    await store.close();
    expect(await run(home, url, '--verify')).toMatchObject({ code: 3 });
    expect(await run(home, url, '--dry-run')).toMatchObject({
      said: expect.stringMatching(/goes on with that/),
    });
    expect(await run(home, url)).toMatchObject({ code: 0, said: expect.stringMatching(/25,000 events/) });
  });

  test('is refused while its server runs, and where other sessions or servers are', async () => {
    const home = await newHome(fillWithAll);
    const url = await newDatabase();
    const taken = await takeHome(home);
    expect(await run(home, url)).toMatchObject({ code: 2, said: expect.stringMatching(/Another server/) });
    taken.release();
    const store = await openPostgresStore({ url });
    await store.write([{ kind: 'insert-session', session: sampleSession() }]);
    await store.close();
    expect(await run(home, url)).toMatchObject({
      code: 2,
      said: expect.stringMatching(/has sessions of its own \(conversations, sessions/),
    });
    const moved = await newDatabase();
    expect(await run(await newHome(async () => {}), moved)).toMatchObject({ code: 0 });
    expect(await run(home, moved)).toMatchObject({ code: 2, said: expect.stringMatching(/another home/) });
    const busy = await newDatabase();
    await (await openPostgresStore({ url: busy })).close();
    await query(busy, "insert into nodes values ('n', 'i', 'http://x', now(), now() + interval '1 hour')");
    expect(await run(home, busy)).toMatchObject({
      code: 2,
      said: expect.stringMatching(/Servers are running/),
    });
    const foreign = await newDatabase();
    await query(foreign, 'create table theirs (id int)');
    expect(await run(home, foreign)).toMatchObject({
      code: 2,
      said: expect.stringMatching(/another program/),
    });
    expect(() => refuseMoved(home)).not.toThrow();
    const nobody = 'postgres://someone:hunter2@127.0.0.1:1/agents';
    const { code, said } = await run(home, nobody);
    expect({ code, said }).toMatchObject({ code: 2, said: expect.stringMatching(/cannot be used/) });
    expect(said).not.toContain('hunter2');
  });
});

test('what has no place in PostgreSQL is refused before anything is written', async () => {
  expect(await run(join(base, 'nowhere'), 'postgres://x/y')).toMatchObject({
    code: 2,
    said: expect.stringMatching(/no database in/),
  });
  expect(await run(base, 'mysql://x/y')).toMatchObject({
    code: 2,
    said: expect.stringMatching(/must begin with postgres:/),
  });
  const home = await newHome(async () => {});
  const db = new DatabaseSync(join(home, 'server.db'));
  db.exec("insert into migrations values (999, '')");
  db.close();
  expect(await run(home, 'postgres://x/y')).toMatchObject({
    code: 2,
    said: expect.stringMatching(/Start a newer/),
  });
  writeFileSync(join(home, 'moved.json'), 'no JSON');
  expect(() => refuseMoved(home)).toThrow(/cannot be read/);
  expect(readFileSync(join(home, 'moved.json'), 'utf8')).toBe('no JSON');
});
