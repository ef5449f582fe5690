/**
 * The same questions to a small PostgreSQL database (1,000 sessions, 50,000 events) and to a large one, alternating: through
 * the store, and over HTTP to a server on each. Prints how much longer the large one takes.
 *
 * Run: node --conditions=claude-agent-source bench/growth.ts [SESSIONS 100000] [EVENTS 5000000] [SERVER]
 * With the address of a PostgreSQL server, its databases growth_small and growth_large are used, and kept for the next run.
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { openPostgresStore, type PostgresStore } from '../packages/server/src/store/postgres.ts';
import { sampleEvent } from '../packages/server/test/support/samples.ts';
import { type Child, startProgram } from './support/child.ts';
import { startDatabase } from './support/postgres.ts';
import { median, ms, printTable, quantile } from './support/table.ts';

/** The most that a question may take of what it takes in the small database. */
const GOAL = 1.5;
const SMALL = { sessions: 1_000, events: 50_000 };
const ROUNDS = 205;
/** The first ones fill caches. */
const WARM_UP = 5;
/** A question that takes longer is asked less often. */
const SECONDS = 12;
const LEAST_ROUNDS = 20;
const EVENTS_PER_TURN = 10;
/** Sessions that are asked for in turn. */
const ASKED = 50;
const FOLDERS = 20;
/** Where the sessions work, in every run: the databases may be kept. */
const FOLDER = '/tmp/bench-growth';
const ONE_FOLDER = `${FOLDER}/7`;

interface Side {
  name: 'small' | 'large';
  url: string;
  store: PostgresStore;
  ids: string[];
  server?: Child;
}

/** An id of version 4, always the same for a text. */
const uuid = (text: string): string =>
  `overlay(overlay(md5(${text}) placing '4' from 13) placing '8' from 17)::uuid::text`;

/**
 * Sessions, each turn of which stands together while those of other sessions lie between them, as they do when many work at
 * once. Through the store this would take hours.
 */
const fill = (sessions: number, events: number): string => `
  create temp table words as
    select array(select substr(md5(n::text), 1, 3 + n % 6) from generate_series(1, 3000) n) as w;
  insert into sessions (id, created_at, last_activity, status, title, metadata, tags, cwd, permission_mode, options,
      message_count, conversation_id, has_transcript, last_seq, log_bytes, last_cursor)
    select ${uuid(`n::text`)}, '2026-01-01T00:00:00.000Z',
      to_char(timestamp '2026-01-01' + n * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS".000Z"'),
      case when n % 3 = 0 then 'connected' else 'closed' end,
      case when n % 3 = 0 then array_to_string(w[1 + n * 7 % 2990:4 + n * 7 % 2990], ' ') end,
      '{"team":' || n % 20 || '}', array['["team",' || n % 20 || ']'], '${FOLDER}/' || n * 17 % ${FOLDERS}, 'default',
      '{"enable_proxy":false}', 1, ${uuid(`n::text`)}, true, ${events / sessions}, 220 * ${events / sessions}, 0
    from generate_series(1, ${sessions}) n, words;
  insert into conversations select id, id, 0, false, 0 from sessions;
  insert into turns (session_id, id, position, state, initiator, input, input_hash, wait_for, urgent, created_at, started_at,
      ended_at, result)
    select ${uuid(`(1 + n % ${sessions})::text`)}, ${uuid(`'turn' || n`)}, n * ${EVENTS_PER_TURN}, 'completed',
      'user', to_jsonb((select string_agg(array_to_string(w[a:a + 4], ' '), ' ')
        from unnest(array[1 + n * 11 % 2990, 1 + n * 131 % 2990, 1 + n * 1007 % 2990, 1 + n % 2990]) a)
        || ' case' || n || case when n = 1234 then ' a needle in hay' else '' end)::text,
      '', 'turn', false, '', '', '', '{}'
    from generate_series(0, ${events / EVENTS_PER_TURN} - 1) n, words;
  insert into permissions (session_id, id, position, kind, tool_name, tool_input, suggestions, durable, default_to_no,
      requested_at, state)
    select ${uuid(`n::text`)}, ${uuid(`'p' || n`)}, n, 'tool', 'Bash', '{}', '[]', true,
      false, '2026-01-01T00:00:00.000Z', case when n % ${sessions / 200} = 0 then 'pending' else 'allowed' end
    from generate_series(1, ${sessions}) n;
  insert into usage select id, 'demo', 1000, 1000, 0, 0, 0.01 from sessions;
  insert into events (session_id, seq, cursor, at, turn_id, type, bytes, history, data)
    select ${uuid(`(1 + t % ${sessions})::text`)}, t / ${sessions} * ${EVENTS_PER_TURN} + k + 1,
      t::bigint * ${EVENTS_PER_TURN} + k + 1, '2026-01-01T00:00:00.000Z', ${uuid(`'turn' || t`)},
      case k when 0 then 'turn.queued' when 1 then 'turn.started' when 8 then 'turn.completed' when 9 then 'session.state'
        else 'agent.message' end,
      220, k between 1 and 7,
      case k when 9 then '{"state":"idle"}' else '{"type":"assistant","text":"' || repeat(md5(t::text || k), 6) || '"}' end
    from generate_series(0, ${events / EVENTS_PER_TURN} - 1) t, generate_series(0, ${EVENTS_PER_TURN - 1}) k`;

/** A database of that size; one that is there already is used as it is. */
async function openSide(
  server: string,
  name: Side['name'],
  { sessions, events }: typeof SMALL,
): Promise<Side> {
  const at = (database: string): string => {
    const url = new URL(server);
    url.pathname = `/${database}`;
    return url.href;
  };
  const url = at(`growth_${name}`);
  const admin = new Client({ connectionString: at('postgres') });
  await admin.connect();
  const { rowCount } = await admin.query('select from pg_database where datname = $1', [`growth_${name}`]);
  if (rowCount === 0) await admin.query(`create database growth_${name}`);
  await admin.end();
  const store = await openPostgresStore({ url, connections: 2 });
  const client = new Client({ connectionString: url });
  await client.connect();
  const start = performance.now();
  if (rowCount === 0) {
    await client.query(fill(sessions, events));
    await client.query('vacuum analyze');
  }
  const { rows } = await client.query(
    `select pg_size_pretty(pg_database_size(current_database())) as size, (select count(*) from sessions) as sessions,
       (select reltuples::bigint from pg_class where relname = 'events') as events`,
  );
  await client.end();
  const [found] = rows;
  console.log(
    `${name}: ${found.sessions} sessions, ${found.events} events, ${found.size}, ${ms(performance.now() - start)}`,
  );
  const { sessions: newest } = await store.listSessions({ status: 'all', limit: ASKED });
  return { name, url, store, ids: newest.map(({ id }) => id) };
}

/** Asks both in turn, and prints a line for each question. @returns the questions beyond the goal */
async function compare(
  title: string,
  sides: readonly Side[],
  questions: Readonly<Record<string, (side: Side, id: string) => Promise<unknown>>>,
): Promise<string[]> {
  const rows: string[][] = [];
  const beyond: string[] = [];
  for (const [what, ask] of Object.entries(questions)) {
    const times = { small: [] as number[], large: [] as number[] };
    const until = performance.now() + SECONDS * 1_000;
    for (let n = 0; n < ROUNDS && (n < LEAST_ROUNDS || performance.now() < until); n++) {
      for (const side of sides) {
        const start = performance.now();
        await ask(side, side.ids[n % side.ids.length] ?? '');
        if (n >= WARM_UP) times[side.name].push(performance.now() - start);
      }
    }
    const [small, large] = [median(times.small), median(times.large)];
    const least = [quantile(times.small, 0.05), quantile(times.large, 0.05)] as const;
    rows.push([
      what,
      ms(small),
      ms(large),
      `${(large / small).toFixed(2)}x`,
      ...least.map(ms),
      `${(least[1] / least[0]).toFixed(2)}x`,
    ]);
    if (Math.min(large / small, least[1] / least[0]) > GOAL) beyond.push(what);
  }
  printTable(title, ['', 'small', 'large', 'ratio', 'p5 small', 'p5 large', 'ratio'], rows);
  return beyond;
}

const inStore: Parameters<typeof compare>[2] = {
  'list, a page of 50': ({ store }) => store.listSessions({ status: 'all', limit: 50 }),
  'list by status': ({ store }) => store.listSessions({ status: 'connected', limit: 50 }),
  'list by folder': ({ store }) => store.listSessions({ status: 'all', cwd: ONE_FOLDER, limit: 10 }),
  'list by folder, status': ({ store }) =>
    store.listSessions({ status: 'connected', cwd: ONE_FOLDER, limit: 10 }),
  'list by metadata': ({ store }) => store.listSessions({ status: 'all', metadata: { team: 7 }, limit: 10 }),
  'list by metadata, none': ({ store }) =>
    store.listSessions({ status: 'all', metadata: { team: 'none' }, limit: 10 }),
  'search, one hit': ({ store }) => store.listSessions({ status: 'all', q: 'a needle in hay', limit: 50 }),
  'search, no hit': ({ store }) => store.listSessions({ status: 'all', q: 'not in any text', limit: 50 }),
  'search, a common word': ({ store }) => store.listSessions({ status: 'all', q: 'case', limit: 50 }),
  'search, in a folder': ({ store }) =>
    store.listSessions({ status: 'all', q: 'a needle in hay', cwd: ONE_FOLDER, limit: 50 }),
  'inbox, a page of 50': ({ store }) => store.pendingPermissions({ limit: 50 }),
  'one session': ({ store }, id) => store.getSession(id),
  'turns of a session': ({ store }, id) => store.listTurns({ sessionId: id, limit: 50 }),
  'replay of a session': ({ store }, id) => store.readEvents(id, 0, 500),
  'history of a session': ({ store }, id) =>
    store.history(id, { after: 0, until: 9_999, limit: 100, offset: 0 }),
  'usage of a session': ({ store }, id) => store.sessionUsage(id),
  'usage of all': ({ store }) => store.totalUsage(),
  'events of all, a page of 500': ({ store }) => store.readControlEvents(0, 500),
  'last cursor': ({ store }) => store.lastCursor(),
  'sizes of 200 logs': ({ store }) => store.logSizes('', 200),
  'past conversations': ({ store }) => store.pastConversations(),
  append: ({ store }, id) =>
    store.write([sampleEvent(id, { json: JSON.stringify({ text: 'x'.repeat(500) }) })]),
};

const over =
  (path: (id: string) => string) =>
  async ({ server }: Side, id: string): Promise<void> => {
    const response = await fetch(`${server?.url}${path(id)}`);
    const body = await response.text();
    if (!response.ok) throw new Error(`${path(id)}: ${response.status} ${body}`);
  };

/** Opens a session's stream and reads its first 50 events. */
async function replay({ server }: Side, id: string): Promise<void> {
  const end = new AbortController();
  const response = await fetch(`${server?.url}/sessions/${id}/events`, {
    headers: { 'last-event-id': '0' },
    signal: end.signal,
  });
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.includes('\nid: 50\n') || text.startsWith('id: 50\n')) break;
  }
  end.abort();
}

const overHttp: Parameters<typeof compare>[2] = {
  '/sessions': over(() => '/sessions?status=all'),
  '/sessions?cwd=': over(() => `/sessions?status=all&cwd=${ONE_FOLDER}`),
  '/sessions?q=, one hit': over(() => '/sessions?status=all&q=a%20needle%20in%20hay'),
  '/permissions': over(() => '/permissions?limit=50'),
  '/sessions/{id}': over((id) => `/sessions/${id}`),
  '/sessions/{id}/messages': over((id) => `/sessions/${id}/messages`),
  'a replay of 50 events': replay,
  '/sessions/{id}/turns': over((id) => `/sessions/${id}/turns`),
  '/sessions/{id}/usage': over((id) => `/sessions/${id}/usage`),
  '/usage': over(() => '/usage'),
};

async function benchGrowth(server: string, sessions: number, events: number): Promise<void> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'bench-growth-')));
  const sides = [
    await openSide(server, 'small', SMALL),
    await openSide(server, 'large', { sessions, events }),
  ];
  for (let n = 0; n < FOLDERS; n++) mkdirSync(`${FOLDER}/${n}`, { recursive: true });
  const env = { HOME: base, CLAUDE_CONFIG_DIR: join(base, '.claude') };
  try {
    const beyond = await compare(
      `through the store (median of up to ${ROUNDS - WARM_UP}, alternating)`,
      sides,
      inStore,
    );
    for (const side of sides) {
      side.server = await startProgram('packages/server/src/main.ts', {
        args: [
          '--port',
          '0',
          '--home',
          join(base, side.name),
          '--root',
          FOLDER,
          '--spares',
          '0',
          '--demo',
          '--database-url',
          side.url,
        ],
        env,
      });
    }
    beyond.push(...(await compare('over HTTP', sides, overHttp)));
    console.log(beyond.length === 0 ? `\nreached ${GOAL}x` : `\nNOT reached ${GOAL}x: ${beyond.join(', ')}`);
  } finally {
    for (const { server: program, store } of sides) {
      await program?.stop();
      await store.close();
    }
    rmSync(FOLDER, { recursive: true, force: true });
    rmSync(base, { recursive: true, force: true });
  }
}

const [sessions = '100000', events = '5000000', given] = process.argv.slice(2);
if (given !== undefined) await benchGrowth(given, Number(sessions), Number(events));
else {
  const database = await startDatabase();
  try {
    await benchGrowth(database.url, Number(sessions), Number(events));
  } finally {
    await database.stop();
  }
}
