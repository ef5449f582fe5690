import { decodeCursor, likeText, sessionPage } from '../list-cursor.ts';
import type { SessionReads } from '../reads.ts';
import { conversationFromRow, hiddenFromRow, ownedFromRow, sessionFromRow } from '../rows.ts';
import type { Scope, SessionQuery } from '../store.ts';
import { tagsOf } from './encode.ts';
import type { Sql, Value } from './pool.ts';

/** What the store answers about sessions and their conversations. */
export const sessionReads = (sql: Sql): SessionReads => ({
  async getSession(id) {
    const row = await sql.get('select * from sessions where id = $1 and hidden is null', id);
    return row && sessionFromRow(row);
  },

  async getSessions(ids) {
    const rows = await sql.all('select * from sessions where id = any($1::text[]) and hidden is null', ids);
    return new Map(rows.map((row) => [String(row.id), sessionFromRow(row)]));
  },

  async listSessions({ limit, cursor, ...filters }) {
    const { conditions, values } = conditionsOf(filters, [...decodeCursor(cursor), limit + 1]);
    const rows = await sql.all(
      `select * from sessions where ${['hidden is null', '(last_activity, id) < ($1, $2)', ...conditions].join(' and ')}
       order by last_activity desc, id desc limit $3`,
      ...values,
    );
    return sessionPage(rows, limit);
  },

  async countSessions(status) {
    return Number((await sql.get('select count(*) as n from sessions where status = $1', status))?.n);
  },

  async hiddenSessions() {
    const rows = await sql.all('select id, hidden from sessions where hidden is not null');
    return rows.map(hiddenFromRow);
  },

  async whose(id) {
    const row = await sql.get(
      `select id, tenant, created_by from sessions
       where id = coalesce((select id from sessions where id = $1), (select session_id from conversations where id = $1))`,
      id,
    );
    return row && { id: String(row.id), ...ownedFromRow(row) };
  },

  async conversations(sessionId) {
    const rows = await sql.all(
      'select * from conversations where session_id = $1 order by after_seq, position',
      sessionId,
    );
    return rows.map(conversationFromRow);
  },

  async conversation(id) {
    const row = await sql.get('select * from conversations where id = $1', id);
    return row && conversationFromRow(row);
  },

  async conversationOwners(ids) {
    const rows = await sql.all('select id, session_id from conversations where id = any($1::text[])', ids);
    return new Map(rows.map((row) => [String(row.id), String(row.session_id)]));
  },

  async pastConversations() {
    // A taken id is refused, so a session that left its first conversation never returns to it: the condition of
    // the index sessions_moved finds them all.
    const rows = await sql.all(
      // "offset 0" keeps this order of the tables.
      `select c.id from sessions s cross join lateral (
         select id from conversations where session_id = s.id and id <> s.conversation_id offset 0) c
       where s.conversation_id <> s.id`,
    );
    return rows.map(({ id }) => String(id));
  },

  async conversationsOutside(scope) {
    const values: Value[] = [];
    const conditions = inScope(scope, values);
    if (conditions.length === 0) return [];
    const rows = await sql.all(
      `select id from conversations where session_id not in (select id from sessions where ${conditions.join(' and ')})`,
      ...values,
    );
    return rows.map(({ id }) => String(id));
  },

  async conversationsIn(scope) {
    const values: Value[] = [];
    const conditions = ['s.hidden is null', ...inScope(scope, values)];
    const rows = await sql.all(
      `select c.id from sessions s join conversations c on c.session_id = s.id where ${conditions.join(' and ')}`,
      ...values,
    );
    return rows.map(({ id }) => String(id));
  },
});

/** The conditions that a session is in scope; adds their values to those of the statement. */
export function inScope(scope: Scope | undefined, values: Value[], table = ''): string[] {
  if (scope?.tenant === undefined) return [];
  const conditions = [`${table}tenant = $${values.push(scope.tenant)}`];
  if (scope.createdBy !== undefined) conditions.push(`${table}created_by = $${values.push(scope.createdBy)}`);
  return conditions;
}

/** Text that PostgreSQL cannot take out of its JSON: NUL, and halves of a character. */
const UNREADABLE = String.raw`'\\u(0000|d[89a-f])'`;
/** What a turn says: its prompt, or the text blocks of it. */
const SAID = `case json_typeof(t.input::json) when 'string' then t.input::json #>> '{}'
  else (select string_agg(b ->> 'text', chr(10)) from json_array_elements(t.input::json) b
        where b ->> 'type' = 'text') end`;

/** The filters of a list, after the values that stand before them. Text and metadata have no index. */
function conditionsOf(
  { status, cwd, q, metadata, scope }: Omit<SessionQuery, 'limit' | 'cursor'>,
  values: Value[],
): { conditions: string[]; values: Value[] } {
  const conditions = inScope(scope, values);
  const mark = (value: Value): string => `$${values.push(value)}`;
  if (status !== 'all') conditions.push(`status = ${mark(status)}`);
  if (cwd !== undefined) conditions.push(`cwd = ${mark(cwd)}`);
  if (q !== undefined) {
    // Messages are kept as JSON.
    const [inText, inJson] = [mark(likeText(q)), mark(likeText(JSON.stringify(q).slice(1, -1)))];
    conditions.push(
      `(title ilike ${inText} escape '\\' or exists
         (select from turns t where t.session_id = sessions.id and t.input ilike ${inJson} escape '\\'
            and case when t.input ~ ${UNREADABLE} then true
              else left(${SAID}, 65536) ilike ${inText} escape '\\' end))`,
    );
  }
  if (metadata !== undefined) conditions.push(`tags @> ${mark(tagsOf(metadata))}::text[]`);
  return { conditions, values };
}
