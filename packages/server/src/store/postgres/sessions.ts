import type { SessionReads } from '../reads.ts';
import { conversationFromRow, hiddenFromRow, ownedFromRow, sessionFromRow } from '../rows.ts';
import type { Scope } from '../store.ts';
import type { Sql, Value } from './pool.ts';
import { sessionList } from './session-list.ts';

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

  ...sessionList(sql),

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

/**
 * The conditions that a session is in scope; adds their values to those of the statement.
 * @param maker the column of the maker; usage by day calls it otherwise
 */
export function inScope(
  scope: Scope | undefined,
  values: Value[],
  table = '',
  maker = 'created_by',
): string[] {
  if (scope?.tenant === undefined) return [];
  const conditions = [`${table}tenant = $${values.push(scope.tenant)}`];
  if (scope.createdBy !== undefined) conditions.push(`${table}${maker} = $${values.push(scope.createdBy)}`);
  return conditions;
}
