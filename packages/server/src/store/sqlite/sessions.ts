import type { SQLInputValue } from 'node:sqlite';
import { decodeCursor, sessionPage } from '../list-cursor.ts';
import type { SessionReads } from '../reads.ts';
import { conversationFromRow, hiddenFromRow, ownedFromRow, sessionFromRow } from '../rows.ts';
import type { Scope, SessionQuery } from '../store.ts';
import { searchCondition } from './search.ts';
import type { Statements } from './statements.ts';

/** What the store answers about sessions and their conversations. */
export const sessionReads = (sql: Statements): SessionReads => ({
  async getSession(id) {
    const row = sql.get('select * from sessions where id = ? and hidden is null', id);
    return row && sessionFromRow(row);
  },

  async getSessions(ids) {
    const rows = sql.all(
      'select * from sessions where id in (select value from json_each(?)) and hidden is null',
      JSON.stringify(ids),
    );
    return new Map(rows.map((row) => [String(row.id), sessionFromRow(row)]));
  },

  async listSessions({ limit, cursor, only, ...filters }) {
    const { conditions, values } = conditionsOf(sql, filters);
    const wanted = ['hidden is null', '(last_activity, id) < (?, ?)', ...conditions].join(' and ');
    const order = 'order by last_activity desc, id desc limit ?';
    const given = [...decodeCursor(cursor), ...values, limit + 1];
    const rows = only
      ? sql.all(
          // A cross join keeps this order of the tables: the few sessions are read by their ids.
          `select sessions.* from (select value as wanted from json_each(?)) f cross join sessions on id = f.wanted
           where ${wanted} ${order}`,
          JSON.stringify(only),
          ...given,
        )
      : sql.all(`select * from sessions where ${wanted} ${order}`, ...given);
    return sessionPage(rows, limit);
  },

  async countSessions(status) {
    return Number(sql.get('select count(*) as n from sessions where status = ?', status)?.n);
  },

  async hiddenSessions() {
    const rows = sql.all('select id, hidden from sessions where hidden is not null');
    return rows.map(hiddenFromRow);
  },

  async whose(id) {
    const row = sql.get(
      `select id, tenant, created_by from sessions
       where id = coalesce((select id from sessions where id = ?1), (select session_id from conversations where id = ?1))`,
      id,
    );
    return row && { id: String(row.id), ...ownedFromRow(row) };
  },

  async conversations(sessionId) {
    const rows = sql.all(
      'select * from conversations where session_id = ? order by after_seq, rowid',
      sessionId,
    );
    return rows.map(conversationFromRow);
  },

  async conversation(id) {
    const row = sql.get('select * from conversations where id = ?', id);
    return row && conversationFromRow(row);
  },

  async conversationOwners(ids) {
    const rows = sql.all(
      'select id, session_id from conversations where id in (select value from json_each(?))',
      JSON.stringify(ids),
    );
    return new Map(rows.map((row) => [String(row.id), String(row.session_id)]));
  },

  async pastConversations() {
    // A taken id is refused, so a session that left its first conversation never returns to it: the condition of
    // the index sessions_moved finds them all.
    const rows = sql.all(
      // A cross join keeps this order of the tables.
      `select c.id from sessions s cross join conversations c on c.session_id = s.id
       where s.conversation_id <> s.id and c.id <> s.conversation_id`,
    );
    return rows.map(({ id }) => String(id));
  },

  async conversationsOutside(scope) {
    const { conditions, values } = inScope(scope);
    if (conditions.length === 0) return [];
    const rows = sql.all(
      `select id from conversations where session_id not in (select id from sessions where ${conditions.join(' and ')})`,
      ...values,
    );
    return rows.map(({ id }) => String(id));
  },

  async conversationsIn(scope) {
    const { conditions, values } = inScope(scope);
    const rows = sql.all(
      `select c.id from sessions s join conversations c on c.session_id = s.id
       where ${['s.hidden is null', ...conditions].join(' and ')}`,
      ...values,
    );
    return rows.map(({ id }) => String(id));
  },
});

/**
 * The condition that a session is in scope, by names of the table's columns.
 * @param maker the column of the maker; usage by day calls it otherwise
 */
export function inScope(
  scope: Scope | undefined,
  maker = 'created_by',
): { conditions: string[]; values: string[] } {
  if (scope?.tenant === undefined) return { conditions: [], values: [] };
  const { tenant, createdBy } = scope;
  return createdBy === undefined
    ? { conditions: ['tenant = ?'], values: [tenant] }
    : { conditions: ['tenant = ?', `${maker} = ?`], values: [tenant, createdBy] };
}

/** The filters of a list. Metadata has no index: it is tested while the list is walked. */
function conditionsOf(
  sql: Statements,
  { status, cwd, q, metadata, scope, without }: Omit<SessionQuery, 'limit' | 'cursor' | 'only'>,
): { conditions: string[]; values: SQLInputValue[] } {
  const own = inScope(scope);
  const conditions: string[] = [...own.conditions];
  const values: SQLInputValue[] = [...own.values];
  const add = (condition: string, ...given: SQLInputValue[]): void => {
    conditions.push(condition);
    values.push(...given);
  };
  if (status !== 'all') add('status = ?', status);
  if (cwd !== undefined) add('cwd = ?', cwd);
  if (without && without.length > 0)
    add('id not in (select value from json_each(?))', JSON.stringify(without));
  if (q !== undefined) {
    const search = searchCondition(sql, q);
    add(search.sql, ...search.values);
  }
  if (metadata !== undefined) {
    add(
      `not exists (select 1 from json_each(?) f where not exists
         (select 1 from json_each(sessions.metadata) m
          where m.key = f.key and m.type = f.type and m.value is f.value))`,
      JSON.stringify(metadata),
    );
  }
  return { conditions, values };
}
