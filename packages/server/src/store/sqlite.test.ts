import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, test } from 'vitest';
import {
  importOf,
  sampleEvent,
  sampleImport,
  samplePermission,
  sampleSession,
  sampleTurn,
} from '../../test/support/samples.ts';
import { openSqliteStore } from './sqlite.ts';
import { describeStore } from './store.conformance.ts';

const base = mkdtempSync(join(tmpdir(), 'sqlite-test-'));
const children: ChildProcess[] = [];
afterAll(() => {
  // Those of a test that failed half-way would write until the disk is full.
  for (const child of children) child.kill('SIGKILL');
  rmSync(base, { recursive: true, force: true });
});
let files = 0;
const newFile = (): string => join(base, `${files++}.db`);

describeStore('SQLite in memory', () => openSqliteStore(':memory:'));
describeStore('SQLite in a file', () => openSqliteStore(newFile()));

describe('a SQLite file', () => {
  test('keeps everything when it is opened again, and numbers continue', async () => {
    const file = newFile();
    const session = sampleSession({ title: 'kept' });
    const turn = sampleTurn(session.id, { idempotencyKey: 'k' });
    const permission = samplePermission(session.id);
    const first = openSqliteStore(file);
    await first.write([
      { kind: 'insert-session', session },
      { kind: 'insert-turn', turn },
      { kind: 'insert-permission', permission },
      sampleEvent(session.id, { type: 'turn.queued', turnId: turn.id }),
    ]);
    const events = await first.readEvents(session.id, 0, 9);
    await first.close();

    const second = openSqliteStore(file);
    expect(await second.getSession(session.id)).toEqual({ ...session, lastSeq: 1 });
    expect(await second.openTurns('queued')).toEqual([turn]);
    expect(await second.getTurnByKey(session.id, 'k')).toEqual(turn);
    expect((await second.pendingPermissions()).permissions).toEqual([permission]);
    expect(await second.readEvents(session.id, 0, 9)).toEqual(events);
    expect(await second.write([sampleEvent(session.id)])).toMatchObject({ events: [{ seq: 2 }] });
    expect(await second.lastCursor()).toBeGreaterThan(events[0]?.cursor ?? 0);
    await second.close();
  });

  test('keeps what was written and not yet committed when the store is closed', async () => {
    const file = newFile();
    const store = openSqliteStore(file);
    const session = sampleSession();
    const written = store.write([{ kind: 'insert-session', session }]);
    await store.close();
    expect(await written).toMatchObject({ ok: true });
    const again = openSqliteStore(file);
    expect(await again.getSession(session.id)).toEqual(session);
    await again.close();
  });

  test('keeps nothing of what an erased session was told, in the index for searches either', async () => {
    const file = newFile();
    const store = openSqliteStore(file);
    const [session, other] = [sampleSession(), sampleSession()];
    await store.write([
      { kind: 'insert-session', session },
      { kind: 'insert-session', session: other },
      { kind: 'insert-turn', turn: sampleTurn(session.id, { input: 'the word is §¶µ' }) },
      { kind: 'insert-turn', turn: sampleTurn(other.id, { input: 'the word is out' }) },
    ]);
    await store.close();
    expect(readFileSync(file).includes('§¶µ')).toBe(true);
    const again = openSqliteStore(file);
    await again.write([{ kind: 'erase-session', id: session.id }]);
    const { sessions } = await again.listSessions({ status: 'all', limit: 9, q: 'word is' });
    expect(sessions.map(({ id }) => id)).toEqual([other.id]);
    await again.close();
    expect(readFileSync(file).includes('§¶µ')).toBe(false);
    const db = new DatabaseSync(file);
    db.exec("insert into turn_text (turn_text) values ('integrity-check')");
    db.close();
  });

  test('finds a text that very many messages may have', async () => {
    const store = openSqliteStore(':memory:');
    const [common, rare] = [sampleSession(), sampleSession()];
    const turns = Array.from({ length: 10_500 }, () => sampleTurn(common.id, { input: 'abcd bcde' }));
    await store.write([
      { kind: 'insert-session', session: common },
      { kind: 'insert-session', session: rare },
      { kind: 'insert-turn', turn: sampleTurn(rare.id, { input: 'cbcd abcde' }) },
      ...turns.map((turn) => ({ kind: 'insert-turn' as const, turn })),
    ]);
    const find = async (q: string) =>
      (await store.listSessions({ status: 'all', limit: 9, q })).sessions.map(({ id }) => id).sort();
    expect(await find('BCD')).toEqual([common.id, rare.id].sort());
    expect(await find('abcde')).toEqual([rare.id]);
    expect(await find('d bcde')).toEqual([common.id]);
    await store.close();
  });

  test('refuses a session of another server when one of its turns has a taken id', async () => {
    const store = openSqliteStore(':memory:');
    const imported = sampleImport();
    const other = sampleSession();
    const turns = imported.turns.map((turn) => sampleTurn(other.id, { id: turn.id }));
    await store.write([
      { kind: 'insert-session', session: other },
      ...turns.map((turn) => ({ kind: 'insert-turn' as const, turn })),
    ]);
    expect(await store.write(importOf(imported))).toEqual({ ok: false, refused: 1 });
    await store.close();
  });

  test('of a newer program is refused with a sentence, and left as it is', async () => {
    const file = newFile();
    await openSqliteStore(file).close();
    const db = new DatabaseSync(file);
    db.prepare('insert into migrations values (?, ?)').run(999, 'later');
    db.close();
    expect(() => openSqliteStore(file)).toThrow(/schema version 999, this program knows \d+\. Start a newer/);
    const look = new DatabaseSync(file);
    expect(look.prepare('select max(version) as v from migrations').get()).toEqual({ v: 999 });
    look.close();
  });
});

describe('a store that cannot write', () => {
  test('rejects every write in progress, keeps none of them, and works again once it can', async () => {
    const file = newFile();
    const store = openSqliteStore(file);
    const session = sampleSession();
    await store.write([{ kind: 'insert-session', session }]);
    const other = new DatabaseSync(file);
    other.exec('begin immediate');
    const failed = await Promise.allSettled([
      store.write([sampleEvent(session.id)]),
      store.write([{ kind: 'count-message', id: session.id }]),
    ]);
    expect(failed.map((each) => each.status)).toEqual(['rejected', 'rejected']);
    other.exec('rollback');
    other.close();
    expect(await store.getSession(session.id)).toEqual(session);
    expect(await store.write([sampleEvent(session.id)])).toMatchObject({ ok: true, events: [{ seq: 1 }] });
    await store.close();
  });

  // A limit on the size of files stands in for a full disk: both fail in the middle of a commit.
  test.skipIf(spawnSync('prlimit', ['--version']).status !== 0)(
    'because the disk is full keeps what it acknowledged, and works again once there is room',
    async () => {
      const file = newFile();
      const child = writer(file, { limitKb: 1_200, pause: true });
      const lines = child.lines[Symbol.asyncIterator]();
      const acknowledged: number[] = [];
      let line = (await lines.next()).value as string;
      for (; !line.startsWith('failed'); line = (await lines.next()).value as string) {
        acknowledged.push(Number(line));
      }
      expect(acknowledged.length).toBeGreaterThan(10);
      spawnSync('prlimit', ['--pid', String(child.process.pid), '--fsize=unlimited']);
      child.process.stdin?.write('go on\n');
      // The failed one left no hole.
      expect(Number((await lines.next()).value)).toBe(acknowledged.length + 1);
      await child.kill();
      await expectKept(file, acknowledged.length + 1);
    },
  );
});

describe('a program that is killed while it writes', () => {
  test('finds every acknowledged write, without gaps', async () => {
    const file = newFile();
    for (let round = 0, before = 0; round < 4; round++) {
      const child = writer(file);
      let acknowledged = 0;
      for await (const line of child.lines) {
        acknowledged = Number(line);
        if (acknowledged >= before + 40 + 17 * round) break;
      }
      await child.kill();
      before = await expectKept(file, acknowledged);
    }
  });

  test('leaves a file that can be copied away and opened elsewhere', async () => {
    const file = newFile();
    const child = writer(file);
    for await (const line of child.lines) if (Number(line) >= 30) break;
    await child.kill();
    const copy = mkdtempSync(join(base, 'copy-'));
    for (const end of ['', '-wal']) cpSync(file + end, join(copy, `server.db${end}`));
    await expectKept(join(copy, 'server.db'), 30);
  });
});

const SESSION = '00000000-0000-4000-8000-000000000001';

/** A program that appends event after event, several at a time, and says the number of each acknowledged one. */
function writer(file: string, { limitKb, pause }: { limitKb?: number; pause?: boolean } = {}) {
  const code = `
    import { writeSync } from 'node:fs';
    const { openSqliteStore } = await import(${JSON.stringify(new URL('./sqlite.ts', import.meta.url).href)});
    const { sampleEvent, sampleSession } = await import(${JSON.stringify(new URL('../../test/support/samples.ts', import.meta.url).href)});
    const store = openSqliteStore(${JSON.stringify(file)});
    const id = ${JSON.stringify(SESSION)};
    await store.write([{ kind: 'insert-session', session: sampleSession({ id }) }]);
    const json = JSON.stringify({ text: 'x'.repeat(2000) });
    const one = async () => {
      const { events } = await store.write([sampleEvent(id, { json })]);
      writeSync(1, events[0].seq + '\\n');
    };
    for (;;) {
      try {
        if (${pause === true}) await one();
        else await Promise.all([one(), one(), one()]);
      } catch (error) {
        writeSync(1, 'failed ' + error.message + '\\n');
        await new Promise((resolve) => process.stdin.once('data', resolve));
      }
    }`;
  const node = [process.execPath, '--conditions=claude-agent-source', '--input-type=module', '-e', code];
  const command =
    limitKb === undefined
      ? node
      : [
          'prlimit',
          `--fsize=${limitKb * 1024}:unlimited`,
          'sh',
          '-c',
          'trap "" XFSZ; exec "$@"',
          'sh',
          ...node,
        ];
  const child: ChildProcess = spawn(command[0] ?? '', command.slice(1), {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const exited = new Promise((resolve) => child.once('exit', resolve));
  if (!child.stdout) throw new Error('no output');
  return {
    process: child,
    lines: createInterface({ input: child.stdout }),
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Opens the file, checks that at least the first `acknowledged` events are there; gives how many are. */
async function expectKept(file: string, acknowledged: number): Promise<number> {
  const store = openSqliteStore(file);
  const events = await store.readEvents(SESSION, 0, 99_999);
  expect(events.length).toBeGreaterThanOrEqual(acknowledged);
  expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
  expect((await store.getSession(SESSION))?.lastSeq).toBe(events.length);
  await store.close();
  return events.length;
}
