import { decodePosition, decodeSettled, settledPage } from '../list-cursor.ts';
import type { PermissionReads } from '../reads.ts';
import { permissionFromRow } from '../rows.ts';
import { lastCursor } from './events.ts';
import { inScope } from './sessions.ts';
import type { Statements } from './statements.ts';

/** What the store answers about permission requests. */
export const permissionReads = (sql: Statements): PermissionReads => ({
  async getPermission(sessionId, id) {
    const row = sql.get('select * from permissions where id = ? and session_id = ?', id, sessionId);
    return row && permissionFromRow(row);
  },

  async permissionsOfCall(sessionId, toolUseId) {
    const rows = sql.all(
      'select * from permissions where session_id = ? and tool_use_id = ? order by position',
      sessionId,
      toolUseId,
    );
    return rows.map(permissionFromRow);
  },

  async pendingPermissions({ limit = Number.MAX_SAFE_INTEGER - 1, cursor, scope } = {}) {
    const { conditions, values } = inScope(scope);
    const own =
      conditions.length > 0
        ? `and exists (select 1 from sessions s where s.id = session_id and ${conditions.join(' and ')})`
        : '';
    // By position, not by number: requests of an earlier page may be answered in between.
    const rows = sql.all(
      `select * from permissions where state = 'pending' and position > ? ${own} order by position limit ?`,
      decodePosition(cursor),
      ...values,
      limit + 1,
    );
    const page = rows.slice(0, limit);
    return {
      permissions: page.map(permissionFromRow),
      next: rows.length > limit ? String(page.at(-1)?.position) : null,
      cursor: lastCursor(sql),
    };
  },

  async settledPermissions({ limit, cursor, scope }) {
    const { conditions, values } = inScope(scope);
    const own =
      conditions.length > 0
        ? `and exists (select 1 from sessions s where s.id = session_id and ${conditions.join(' and ')})`
        : '';
    const rows = sql.all(
      `select * from permissions where state <> 'pending' and (resolved_at, id) < (?, ?) ${own}
       order by resolved_at desc, id desc limit ?`,
      ...decodeSettled(cursor),
      ...values,
      limit + 1,
    );
    return { ...settledPage(rows, limit), cursor: lastCursor(sql) };
  },
});
