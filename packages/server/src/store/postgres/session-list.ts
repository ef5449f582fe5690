import { decodeCursor, likeText, sessionPage } from '../list-cursor.ts';
import type { SessionReads } from '../reads.ts';
import type { ReadRow } from '../rows.ts';
import type { SessionQuery } from '../store.ts';
import { tagsOf } from './encode.ts';
import type { Sql, Value } from './pool.ts';

/**
 * So many of the newest sessions are tested for a common text or tag one by one, before the indexes are asked. What
 * "are_few" does not find few is in so many messages that they nearly always fill a page: with 500 a word in one of 45
 * messages took 118 ms in 500,000, because the index then found 11,000 of them.
 */
const TESTED = 2_000;
/** Three letters or digits in a row: what the index of a text knows it by. */
const INDEXED = /[\p{L}\p{N}]{3}/u;

/** A statement under construction: `$` takes a value in and returns its mark. */
interface Values {
  all: Value[];
  $(value: Value): string;
}

const createValues = (): Values => {
  const all: Value[] = [];
  return { all, $: (value) => `$${all.push(value)}` };
};

/**
 * Pages of sessions, newest activity first. The columns that are given are also the first ones of the order, so only the index
 * that begins with them has it: the planner knows nothing of where in another one the wanted rows are. Few sessions with a text
 * or tags are found by the indexes of these; common ones fill a page with the newest sessions.
 */
export const sessionList = (sql: Sql): Pick<SessionReads, 'listSessions'> => ({
  async listSessions(query) {
    const { limit, q, metadata, only } = query;
    const pattern = q === undefined ? null : likeText(q);
    const tags = metadata === undefined ? [] : tagsOf(metadata);
    if (only) return sessionPage(await among(sql, query, only, { pattern, tags }), limit);
    if (pattern === null && tags.length === 0) return sessionPage(await walk(sql, query), limit);
    const byIndex = pattern === null || INDEXED.test(q ?? '');
    if (byIndex && (await areFew(sql, pattern, tags)))
      return sessionPage(await find(sql, query, pattern, tags), limit);
    const newest = await walk(sql, query, { pattern, tags, atMost: byIndex ? TESTED : undefined });
    if (newest.length > limit || !byIndex) return sessionPage(newest, limit);
    return sessionPage(await find(sql, query, pattern, tags), limit);
  },
});

interface Tests {
  pattern: string | null;
  tags: readonly string[];
  /** How many sessions are tested; all of them unless told. */
  atMost: number | undefined;
}

/** Walks the sessions in their order. */
function walk(sql: Sql, query: SessionQuery, tests?: Tests): Promise<ReadRow[]> {
  const values = createValues();
  const { where, order } = place(query, values);
  const inOrder = (limit: number): string =>
    `select * from sessions where ${where} order by ${order} limit ${values.$(limit)}`;
  if (!tests) return sql.all(inOrder(query.limit + 1), ...values.all);
  const conditions = testsOf(tests, values);
  const newest = inOrder(tests.atMost ?? Number.MAX_SAFE_INTEGER);
  return sql.all(
    `select * from (${newest}) s where ${conditions.join(' and ')} order by ${order} limit ${values.$(query.limit + 1)}`,
    ...values.all,
  );
}

/** The conditions that a session `s` has a text and tags. */
function testsOf({ pattern, tags }: Omit<Tests, 'atMost'>, { $ }: Values): string[] {
  const conditions: string[] = [];
  if (pattern !== null) {
    const like = `ilike ${$(pattern)} escape '\\'`;
    conditions.push(
      // An aggregate is asked of each session; "exists" may be turned into a search through all texts.
      `(s.title ${like} or (select bool_or(t.text ${like}) from turn_texts t where t.session_id = s.id))`,
    );
  }
  if (tags.length > 0) conditions.push(`s.tags @> ${$(tags)}::text[]`);
  return conditions;
}

/** Reads a few sessions by their ids, and sorts those that fit. */
function among(
  sql: Sql,
  query: SessionQuery,
  ids: readonly string[],
  tests: Omit<Tests, 'atMost'>,
): Promise<ReadRow[]> {
  const values = createValues();
  const given = values.$(ids);
  const { where, order } = place(query, values);
  const conditions = [where, ...testsOf(tests, values)].join(' and ');
  // "offset 0" keeps this order of the tables.
  return sql.all(
    `select s.* from unnest(${given}::text[]) f (wanted) cross join lateral (select * from sessions where id = f.wanted offset 0) s
     where ${conditions} order by ${order} limit ${values.$(query.limit + 1)}`,
    ...values.all,
  );
}

async function areFew(sql: Sql, pattern: string | null, tags: readonly string[]): Promise<boolean> {
  const row = await sql.get('select are_few($1, $2::text[]) as few', pattern, tags.length > 0 ? tags : null);
  return row?.few === true;
}

/** Finds the sessions with a text or tags, and sorts them. */
function find(
  sql: Sql,
  query: SessionQuery,
  pattern: string | null,
  tags: readonly string[],
): Promise<ReadRow[]> {
  const values = createValues();
  const found = `sessions_found(${values.$(pattern)}, ${values.$(tags.length > 0 ? tags : null)}::text[])`;
  const { where, order } = place(query, values);
  // "offset 0" keeps this order of the tables.
  return sql.all(
    `select s.* from ${found} f (found) cross join lateral (select * from sessions where id = f.found offset 0) s
     where ${where} order by ${order} limit ${values.$(query.limit + 1)}`,
    ...values.all,
  );
}

/** Where a page begins and ends in the index of the columns that are given, and its order there. */
function place(
  {
    status,
    cwd,
    cursor,
    scope,
    without,
  }: Pick<SessionQuery, 'status' | 'cwd' | 'cursor' | 'scope' | 'without'>,
  { $ }: Values,
): { where: string; order: string } {
  const { tenant, createdBy } = scope?.tenant === undefined ? {} : scope;
  const given = new Map(
    Object.entries({
      cwd,
      tenant,
      created_by: createdBy,
      status: status === 'all' ? undefined : status,
    }).flatMap(([column, value]) => (value === undefined ? [] : [[column, $(value)] as const])),
  );
  const columns = indexOf(given);
  const marks = columns.map((column) => given.get(column));
  const [activity, id] = decodeCursor(cursor);
  const order = [...columns, 'last_activity', 'id'];
  const others = [...given].filter(([column]) => !columns.includes(column));
  const conditions = [
    'hidden is null',
    `(${order.join(', ')}) < (${[...marks, $(activity), $(id)].join(', ')})`,
    ...(columns.length > 0 ? [`(${columns.join(', ')}) >= (${marks.join(', ')})`] : []),
    ...others.map(([column, mark]) => `${column} = ${mark}`),
    ...(without && without.length > 0 ? [`id <> all(${$(without)}::text[])`] : []),
  ];
  return { where: conditions.join(' and '), order: order.map((column) => `${column} desc`).join(', ') };
}

/** The first columns of the index that leaves the fewest sessions: a folder's, a maker's, a tenant's, or those of a status. */
function indexOf(given: ReadonlyMap<string, unknown>): string[] {
  const columns = given.has('cwd')
    ? ['cwd', 'status']
    : given.has('created_by')
      ? ['tenant', 'created_by']
      : ['tenant', 'status'];
  return columns.filter((column) => given.has(column));
}
