import { readdirSync, readFileSync } from 'node:fs';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { emptyDatabase, hasPostgres, newDatabase } from '../../test/support/postgres.ts';
import { sampleSession } from '../../test/support/samples.ts';
import { callEverything, callTranscripts } from '../../test/support/store-calls.ts';
import { createCluster } from '../cluster/cluster.ts';
import { createPostgresPool } from './postgres/pool.ts';
import { openPostgresStore, type PostgresStore } from './postgres.ts';

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Index Cond'?: string;
  Plans?: PlanNode[];
}

interface Statement {
  text: string;
  values: unknown[];
}

/** What reads more than it returns, and why it may. By a part of the statement. */
const EXCEPTIONS: readonly { sql: string; step: string; why: string }[] = [
  {
    sql: 'and not exists (select 1 from push_subscriptions)',
    step: 'Index Only Scan push_subscriptions_by_owner',
    why: 'reads one row, when a browser or webhook is added',
  },
  {
    sql: 'select * from push_subscriptions',
    step: 'Seq Scan push_subscriptions',
    why: 'all of them are wanted',
  },
  {
    sql: 'where not exists (select 1 from webhooks)',
    step: 'Index Only Scan webhooks_pkey',
    why: 'reads one row, when a webhook is made',
  },
  { sql: 'from webhooks where tenant = $1', step: 'Sort', why: 'a tenant has 20 at most' },
  {
    sql: "from webhooks where status = 'enabled'",
    step: 'Seq Scan webhooks',
    why: 'all of them are wanted, 20 for each tenant at most',
  },
  { sql: 'from erased_usage) as every', step: 'Seq Scan usage', why: 'a sum over all sessions' },
  { sql: 'from erased_usage) as every', step: 'Index Scan erased_usage_pkey', why: 'one row for each model' },
  { sql: 'from erased_usage) as every', step: 'Sort', why: 'one row for each session and model' },
  {
    sql: 'from turns where ended_at is not null',
    step: 'Index Only Scan turns_ended',
    why: 'a count of all',
  },
  {
    sql: 'from conversations where session_id not in',
    step: 'Seq Scan conversations',
    why: "a tenant's list of what can be resumed leaves out the conversations of all others",
  },
  { sql: 'from usage where session_id in', step: 'Sort', why: 'one row for each model' },
  {
    sql: 'from usage where session_id in',
    step: 'Index Scan usage_pkey',
    why: "a sum over a tenant's sessions",
  },
  { sql: 'where s.id = session_id and tenant', step: 'Sort', why: "a tenant's pending requests" },
  { sql: 'from erased_turns', step: 'Seq Scan erased_turns', why: 'eight rows' },
  { sql: 'from trimmed', step: 'Seq Scan trimmed', why: 'eight rows' },
  { sql: 'from usage_days where day >=', step: 'Sort', why: 'a few rows for each day that is shown' },
  { sql: 'from key_usage group by', step: 'Index Scan key_usage_pkey', why: 'all keys are shown' },
  { sql: 'from open_calls', step: 'Seq Scan open_calls', why: 'asked at start; all that wait' },
  { sql: "state in ('queued', 'running')", step: 'Sort', why: 'the open turns themselves, asked at start' },
  { sql: 'settled_at is null', step: 'Sort', why: 'the unsettled turns themselves, asked at start' },
  {
    sql: 'select count(*) as n from sessions s join transcripts',
    step: 'Index Scan sessions_pkey',
    why: 'a count of all',
  },
  {
    sql: 'select count(*) as n from sessions s join transcripts',
    step: 'Index Only Scan transcripts_pkey',
    why: 'a count of all',
  },
  { sql: 'octet_length(tool_input)', step: 'Sort', why: 'the requests of one session that is erased' },
  { sql: "where e.row ? 'tasks' order by", step: 'Sort', why: 'the events of one write' },
  { sql: 'session_id::text from turn_texts', step: 'Sort', why: 'the few sessions that were found' },
  { sql: 'f (wanted) cross join', step: 'Sort', why: 'the sessions that are named: those that are live' },
  { sql: 'from nodes n cross', step: 'Index Only Scan nodes_by_incarnation', why: 'one row for each node' },
  { sql: 'from sessions_found(', step: 'Sort', why: 'the few sessions that were found' },
  {
    sql: 'with recursive owners',
    step: 'Index Only Scan nodes_by_incarnation',
    why: 'all nodes are compared',
  },
  { sql: 'with recursive owners', step: 'Sort', why: 'the owners, to compare them with all nodes' },
  { sql: 'delete from nodes where expires_at', step: 'Seq Scan nodes', why: 'one row for each node' },
  { sql: 'delete from nodes where expires_at', step: 'Index Scan nodes_pkey', why: 'all nodes are wanted' },
];

/** Files whose statements are not asked while the server works, and why. */
const COLD: Readonly<Record<string, string>> = {
  'store/postgres/migrate.ts': 'once, at the start',
  'store/postgres/text-index.ts': 'once, at the start',
  'store/postgres/listen.ts': 'notifies; reads no table',
  'node.ts': 'once, at the start',
};

/** Indexes that hold only what is wanted: they are read whole. */
const READ_WHOLE = new Set([
  'turns_open',
  'turns_unsettled',
  'sessions_hidden',
  'sessions_moved',
  'sessions_with_tasks',
  // Its first entry, from which deadOwners steps on.
  'sessions_by_owner',
  'api_keys_listed',
]);

/** Which index a statement must use, where a worse one would do. By a part of its text. */
const INDEXES: readonly (readonly [sql: string, index: string])[] = [
  ['from sessions where hidden is null and (last_activity, id) < ($1, $2) order by', 'sessions_by_time'],
  ['(status, last_activity, id) < ($1, $2, $3) and (status) >= ($1) order by', 'sessions_by_activity'],
  ['(cwd, last_activity, id) < ($1, $2, $3) and (cwd) >= ($1) order by', 'sessions_by_folder'],
  ['and (cwd, status) >= ($1, $2) order by', 'sessions_by_folder_and_status'],
  ['select t.session_id::text from turn_texts t', 'turn_texts_by_text'],
  ['select l.session_id::text from session_labels l where l.title', 'session_labels_by_title'],
  ['select l.session_id::text from session_labels l where l.tags', 'session_labels_by_tag'],
  ['from sessions s where s.owner = any($3::text[])', 'sessions_by_owner'],
  ['with recursive owners', 'sessions_by_owner'],
  ['from nodes n cross join lateral (select * from sessions', 'sessions_by_owner'],
  ['f (wanted) cross join', 'sessions_pkey'],
  ['exists (select from nodes n where n.incarnation', 'nodes_by_incarnation'],
  ['(tenant, last_activity, id) < ($1, $2, $3) and (tenant) >= ($1) order by', 'sessions_by_tenant'],
  ['and (tenant, status) >= ($1, $2) order by', 'sessions_by_tenant_and_status'],
  ['and (tenant, created_by) >= ($1, $2)', 'sessions_by_maker'],
  ['where e.tenant = $3 and s.tenant = $3 and', 'events_of_tenant'],
  ['from audit where tenant is not null and', 'audit_by_tenant'],
  ['from audit where actor is not null and', 'audit_by_actor'],
  ['from audit where session_id is not null and', 'audit_by_session'],
  ["state = 'pending' and position > $1 order by", 'permissions_pending'],
  ["session_id = any($1::text[]) and state = 'pending'", 'permissions_open'],
  ['where session_id = $1 and tool_use_id = $2', 'permissions_of_call'],
  ['where cursor > $1 and cursor < cursor_limit()', 'events_control'],
  ['select coalesce(max(cursor), 0) as cursor from events', 'events_control'],
  ['and e.history', 'events_history'],
  ["turn_id = $2 and type in ('turn.queued', 'turn.started')", 'events_turn_start'],
  ['where session_id = $1 and idempotency_key = $2', 'turns_by_key'],
  ['from turns where session_id = $1 and steers is null order by position', 'turns_by_session'],
  ['and t.position > coalesce((select k.position from transcripts h', 'turns_by_session'],
  ['cross join lateral (select preview, title from transcripts', 'transcripts_pkey'],
  ['t where s.hidden is null and (s.last_activity, s.id) < ($1, $2) order by', 'sessions_by_time'],
];

/** The first session of the seed, md5('1'). */
const SEEDED = 'c4ca4238a0b923820dcc509a6f75849b';

/** Enough rows for an index to be worth its while. */
const SEED = `
  insert into sessions (id, created_at, last_activity, status, metadata, tags, cwd, permission_mode, options, message_count,
      conversation_id, has_transcript)
    select md5(n::text), '', md5('at' || n), case when n % 20 = 0 then 'connected' else 'closed' end, '{}',
      case when n % 2 = 0 then array['["a",1]'] else '{}' end,
      '/' || n % 50, 'default', '{}', 0, md5(n::text), false
    from generate_series(1, 5000) n;
  insert into nodes (id, incarnation, started_at, expires_at)
    select n::text, md5(n::text), now(), now() from generate_series(1, 1000) n;
  insert into conversations select id, id, 0, false, 0 from sessions;
  insert into permissions (session_id, id, position, kind, tool_name, tool_input, suggestions, durable, default_to_no,
      requested_at, state)
    select md5((n % 1000)::text), md5(n::text), n, 'tool', 'Bash', '{}', '[]', false, false, '', 'pending'
    from generate_series(1, 5000) n;
  insert into turns (session_id, id, position, state, initiator, input, input_hash, wait_for, urgent, created_at,
      idempotency_key)
    select md5((n % 1000)::text), md5(n::text), n, 'queued', 'user', '"x"', '', 'turn', false, '', n::text
    from generate_series(1, 5000) n;
  insert into erased_conversations select id, id || 'x', now() - interval '1 day' from sessions;
  insert into transcripts select id, id, null, '', null from sessions;
  insert into transcript_files select id, id, 'a', 0, 1, '' from sessions;
  insert into transcript_chunks select id, id, 'a', 0, 0, '' from sessions;
  insert into events (session_id, seq, cursor, at, turn_id, type, bytes, history, data)
    select md5((n % 1000)::text), n, n, '', md5(n::text),
      case n % 4 when 0 then 'turn.queued' when 1 then 'turn.started' else 'agent.message' end, 2, n % 4 = 2, '{}'
    from generate_series(1, 20000) n;
  insert into api_keys (id, tenant, name, role, hash, parent, created_at, session_id, expires_at)
    select md5(n::text), 't' || n % 20, '', 'user', md5('h' || n), case when n % 2 = 0 then md5((n - 1)::text) end, '',
      case when n % 2 = 0 then md5(n::text) end, md5('e' || n)
    from generate_series(1, 5000) n;
  insert into audit (id, at, tenant, actor_kind, actor, action, method, session_id, params, status, count)
    select md5(n::text), '', 't' || n % 20, 'key', 'k' || n % 50, 'sendMessage', 'POST', md5((n % 1000)::text), '{}', 200, 1
    from generate_series(1, 5000) n;
  analyze`;

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();

const nodesOf = (plan: PlanNode): PlanNode[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

/** Steps that read a whole table or index, or sort. */
const costly = (plan: PlanNode): string[] =>
  nodesOf(plan).flatMap((node) => {
    const type = node['Node Type'];
    if (type === 'Sort' || type === 'Incremental Sort') return ['Sort'];
    if (type === 'Seq Scan') return [`Seq Scan ${node['Relation Name']}`];
    const index = node['Index Name'];
    if (index === undefined || node['Index Cond'] !== undefined || READ_WHOLE.has(index)) return [];
    return [`${type} ${index}`];
  });

describe.skipIf(!hasPostgres())('the statements of the PostgreSQL store', () => {
  let client: Client;
  /** Every statement, with its plan: those of the store, and those inside apply_writes. */
  const plans: { text: string; plan: PlanNode }[] = [];

  beforeAll(async () => {
    const url = await newDatabase();
    const calls = await statementsOfTheStore(url);
    await emptyDatabase(url);
    client = new Client({ connectionString: url });
    await client.connect();
    await client.query(SEED);
    await client.query(
      'set enable_seqscan = off; set enable_bitmapscan = off; set plan_cache_mode = force_custom_plan',
    );
    for (const { text, values } of calls.filter((call) => !/apply_writes|keep_transcript/.test(call.text))) {
      const { rows } = await client.query(`explain (format json) ${text}`, values);
      plans.push({ text: oneLine(text), plan: rows[0]['QUERY PLAN'][0].Plan });
    }
    plans.push(...(await plansInside(client, calls)));
  });
  afterAll(() => client?.end());

  test('include every one that a file writes which asks while the server works', () => {
    const folder = new URL('../', import.meta.url);
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
      (name) => /^(store\/postgres|cluster|node)\b.*\.ts$/.test(name) && !/\.test\.ts$|migrations/.test(name),
    );
    expect(Object.keys(COLD).filter((name) => !files.includes(name))).toEqual([]);
    const source = files
      .filter((name) => !(name in COLD))
      .map((name) => readFileSync(new URL(name, folder), 'utf8'));
    const written = [
      ...source.join('\n').matchAll(/(['"`])((?:select|insert|update|delete|with)\s(?:(?!\1|\$\{)[\s\S])*)/g),
    ].map(([, , sql = '']) => oneLine(sql));
    expect(written.length).toBeGreaterThan(40);
    expect(written.filter((sql) => !plans.some(({ text }) => text.startsWith(sql)))).toEqual([]);
  });

  test('come from these files only', () => {
    const folder = new URL('../', import.meta.url);
    const asking = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
      (name) =>
        // move/ is a command of its own, and asks while no server works.
        /^(?!store\/|cluster\/|move\/|node\.ts).*\.ts$/.test(name) &&
        !name.endsWith('.test.ts') &&
        /postgres\/pool\.ts/.test(readFileSync(new URL(name, folder), 'utf8')),
    );
    expect(asking).toEqual([]);
  });

  test('include every one inside a function of the database', async () => {
    const { rows } = await client.query<{ name: string; body: string }>(
      `select proname as name, prosrc as body from pg_proc
       where pronamespace = current_schema()::regnamespace and prolang <> (select oid from pg_language where lanname = 'c')`,
    );
    expect(rows.length).toBeGreaterThan(10);
    const heads = rows.flatMap(({ name, body }) =>
      [
        ...oneLine(body).matchAll(
          /(?:insert into|delete from|update) \w+ (?:\w+ )?(?:set|where|values|select|\()[^;]{0,12}/g,
        ),
      ]
        .map(([head]) => head)
        .filter((head) => !plans.some(({ text }) => text.includes(head)))
        .map((head) => `${name}: ${head}`),
    );
    expect(heads).toEqual([]);
  });

  test('read no whole table and sort nothing, but for the exceptions', () => {
    const problems = plans.flatMap(({ text, plan }) =>
      costly(plan)
        .filter((step) => !EXCEPTIONS.some((each) => text.includes(each.sql) && each.step === step))
        .map((step) => `${step}: ${text}`),
    );
    expect(problems).toEqual([]);
  });

  test('need every exception', () => {
    const needed = (each: (typeof EXCEPTIONS)[number]): boolean =>
      plans.some(({ text, plan }) => text.includes(each.sql) && costly(plan).includes(each.step));
    expect(EXCEPTIONS.filter((each) => !needed(each))).toEqual([]);
  });

  test('inside apply_writes are among them', () => {
    for (const table of [
      'events',
      'turns',
      'permissions',
      'conversations',
      'open_calls',
      'usage',
      'writers',
      'transcripts',
      'transcript_files',
      'transcript_chunks',
    ]) {
      expect(plans.filter(({ text }) => text.includes(`insert into ${table}`))).not.toEqual([]);
    }
  });

  test.each(INDEXES)('with %s use the index %s', (part, index) => {
    const found = plans.filter(({ text }) => text.includes(part));
    expect(found).not.toEqual([]);
    for (const { plan } of found) expect(nodesOf(plan).map((node) => node['Index Name'])).toContain(index);
  });
});

/** Every statement that a store and a cluster send while they are used in every way there is. */
async function statementsOfTheStore(url: string): Promise<Statement[]> {
  const store = await openPostgresStore({ url });
  const query = vi.spyOn(Client.prototype, 'query');
  try {
    await callEverything(store);
    await callTranscripts(store.transcripts, SEEDED);
    for (const sharedFolders of [true, false]) await useCluster(url, store, sharedFolders);
    const sent = query.mock.calls.flatMap(([config]: unknown[]) =>
      typeof config === 'object' && config !== null && 'text' in config ? [config as Statement] : [],
    );
    // Calls of functions are all wanted: each takes other ways inside.
    const keys = sent.map((each, n) => [RUNS_FUNCTIONS.test(each.text) ? `${n}` : each.text, each] as const);
    return [...new Map(keys).values()].filter(
      ({ text }) => /^\s*(select|insert|update|delete|with)\s/.test(text) && !text.includes('pg_notify'),
    );
  } finally {
    query.mockRestore();
    await store.close();
  }
}

/** What a node asks: it joins, owns a session, and looks for dead nodes. */
async function useCluster(url: string, store: PostgresStore, sharedFolders: boolean): Promise<void> {
  const { ownership, membership, nodes, ...cluster } = createCluster({
    store,
    pool: createPostgresPool({ url, connections: 2 }),
    id: 'a node',
    heartbeatMs: 100,
    leaseMs: 5_000,
    sharedFolders,
    onError(error) {
      throw error;
    },
  });
  const beat = new Promise<void>((resolve) => membership.onBeat(resolve));
  await cluster.join('http://localhost', { takeOver: async () => {}, room: () => 1 });
  await beat;
  const session = sampleSession();
  await ownership.write(session.id, [{ kind: 'insert-session', session }]);
  await ownership.release(session.id);
  await ownership.acquire(session.id);
  await ownership.acquire(crypto.randomUUID());
  await nodes.locate(session.id);
  await nodes.folderOf(session.id);
  await nodes.doing([session.id]);
  await nodes.atWork();
  const stop = nodes.onChange(session.id, () => {});
  await nodes.update([]);
  stop();
  await ownership.takeOrphans(await ownership.deadOwners(), 8);
  await membership.drain();
  await cluster.leave();
}

/** Statements that run others, which have plans of their own. */
const RUNS_FUNCTIONS = /apply_writes|keep_transcript|sessions_found|are_few/;

/** The plans inside functions, from the module that logs them. */
async function plansInside(client: Client, calls: readonly Statement[]) {
  const found: { text: string; plan: PlanNode }[] = [];
  client.on('notice', ({ message }) => {
    const json = /plan:\n([\s\S]*)$/.exec(message ?? '')?.[1];
    if (json === undefined) return;
    const { 'Query Text': text, Plan: plan } = JSON.parse(json);
    found.push({ text: oneLine(text), plan });
  });
  await client.query(
    `load 'auto_explain'; set auto_explain.log_min_duration = 0; set auto_explain.log_nested_statements = on;
     set auto_explain.log_format = json; set client_min_messages = log`,
  );
  const inFunctions = calls.filter(({ text }) => RUNS_FUNCTIONS.test(text));
  const isSearch = ({ text }: Statement): boolean => /sessions_found|are_few/.test(text);
  for (const { text, values } of inFunctions.filter((call) => !isSearch(call)))
    await client.query(text, values);
  // The indexes of texts and tags have no other way to be read.
  await client.query('set enable_bitmapscan = on');
  for (const { text, values } of inFunctions.filter(isSearch)) await client.query(text, values);
  await client.query('reset client_min_messages; set auto_explain.log_min_duration = -1');
  return found;
}
