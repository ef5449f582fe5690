/**
 * How long a home takes to move to PostgreSQL (claude-agent-server migrate), and how much memory the program needs.
 *
 * Run: node --conditions=claude-agent-source bench/migrate.ts [events=1000000] [sessions=10000]
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openSqliteStore } from '../packages/server/src/store/sqlite.ts';
import { startDatabase } from './support/postgres.ts';

const MAIN = new URL('../packages/server/src/main.ts', import.meta.url).pathname;
const [events = 1_000_000, sessions = 10_000] = process.argv.slice(2).map(Number);

/** Sessions that share the events; the first one has a tenth of them. Four of five are messages of the agent. */
async function fill(file: string): Promise<void> {
  await openSqliteStore(file).close();
  const db = new DatabaseSync(file);
  db.exec(`pragma synchronous = off; begin;
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${sessions})
    insert into sessions (id, created_at, last_activity, status, title, metadata, cwd, permission_mode, options,
        message_count, has_transcript, last_seq, log_bytes, conversation_id)
      select printf('00000000-0000-4000-8000-%012d', i), printf('2026-01-01T%012d', i), printf('2026-01-01T%012d', i),
        'connected', 'session ' || i, '{"team":"' || i % 7 || '"}', '/work/' || i % 50, 'default', '{}', 1, 1, 0, 0,
        printf('00000000-0000-4000-8000-%012d', i) from n;
    insert into conversations select id, id, 0, 0 from sessions;
    insert into turns (id, session_id, state, input, input_hash, created_at, started_at, ended_at, result)
      select 'turn-' || id, id, 'completed', '"do the thing"', 'hash', created_at, created_at, created_at, '{"text":"done"}'
      from sessions;
    insert into usage select id, 'claude', 10, 20, 30, 40, 0.123 from sessions;
    with recursive n(i) as (select 0 union all select i + 1 from n where i < ${events} - 1)
    insert into events (session_id, seq, at, turn_id, type, data)
      select printf('00000000-0000-4000-8000-%012d', iif(i % 10 = 0, 1, 2 + (i / 10 * 9 + i % 10 - 1) % (${sessions} - 1))),
        iif(i % 10 = 0, i / 10 + 1, (i / 10 * 9 + i % 10 - 1) / (${sessions} - 1) + 1),
        '2026-01-01T00:00:00.000Z', null,
        iif(i % 5 = 1, 'session.state', 'agent.message'),
        iif(i % 5 = 1, '{"state":"running"}',
          '{"type":"assistant","parent_tool_use_id":null,"message":{"content":[{"type":"text","text":"' || hex(randomblob(250)) || '"}]}}')
      from n;
    update sessions set last_seq = coalesce((select max(seq) from events where session_id = sessions.id), 0),
      log_bytes = coalesce((select sum(octet_length(data)) from events where session_id = sessions.id), 0);
    commit`);
  db.close();
}

const base = mkdtempSync(join(tmpdir(), 'bench-migrate-'));
const database = await startDatabase();
try {
  const home = join(base, 'home');
  mkdirSync(home);
  await fill(join(home, 'server.db'));
  const megabytes = Math.round(statSync(join(home, 'server.db')).size / 1024 ** 2);
  console.log(
    `${events} events of ${sessions} sessions, ${megabytes} MB in SQLite; load ${loadavg()[0]?.toFixed(1)}`,
  );
  const report = join(base, 'memory');
  const start = performance.now();
  // The peak of the program's own memory, as the kernel counted it.
  execFileSync(
    process.execPath,
    [
      '--conditions=claude-agent-source',
      '--import',
      `data:text/javascript,import{writeFileSync}from'node:fs';process.on('exit',()=>writeFileSync(${JSON.stringify(report)},process.resourceUsage().maxRSS+' '+process.cpuUsage().user/1e6))`,
      MAIN,
      'migrate',
      '--without-transcripts',
      '--from',
      home,
    ],
    {
      stdio: 'inherit',
      env: {
        ...process.env,
        AGENT_SERVER_DATABASE_URL: database.url,
      },
    },
  );
  const seconds = (performance.now() - start) / 1000;
  const [kilobytes = 0, cpu = 0] = readFileSync(report, 'utf8').split(' ').map(Number);
  console.log(
    `${seconds.toFixed(0)} s (${Math.round(events / seconds)} events/s); ${cpu.toFixed(0)} s of processor time and ${Math.round(kilobytes / 1024)} MB in the program`,
  );
} finally {
  await database.stop();
  rmSync(base, { recursive: true, force: true });
}
