import { decodePosition, decodeSettled, settledPage } from '../list-cursor.ts';
import type { PermissionReads } from '../reads.ts';
import { permissionFromRow } from '../rows.ts';
import { LAST_CURSOR } from './events.ts';
import type { Sql, Value } from './pool.ts';
import { inScope } from './sessions.ts';

/** What the store answers about permission requests. */
export const permissionReads = (sql: Sql): PermissionReads => ({
  async getPermission(sessionId, id) {
    const row = await sql.get('select * from permissions where session_id = $1 and id = $2', sessionId, id);
    return row && permissionFromRow(row);
  },

  async permissionsOfCall(sessionId, toolUseId) {
    const rows = await sql.all(
      'select * from permissions where session_id = $1 and tool_use_id = $2 order by position',
      sessionId,
      toolUseId,
    );
    return rows.map(permissionFromRow);
  },

  async pendingPermissions({ limit = Number.MAX_SAFE_INTEGER - 1, cursor, scope } = {}) {
    const position = decodePosition(cursor);
    const values: Value[] = [position, limit + 1];
    const conditions = inScope(scope, values);
    const own =
      conditions.length > 0
        ? `and exists (select from sessions s where s.id = session_id and ${conditions.join(' and ')})`
        : '';
    // The cursor is read first: what is asked after that moment comes twice rather than never.
    const at = await sql.get(LAST_CURSOR);
    // By position, not by number: requests of an earlier page may be answered in between.
    const rows = await sql.all(
      `select * from permissions where state = 'pending' and position > $1 ${own} order by position limit $2`,
      ...values,
    );
    const page = rows.slice(0, limit);
    return {
      permissions: page.map(permissionFromRow),
      next: rows.length > limit ? String(page.at(-1)?.position) : null,
      cursor: Number(at?.cursor),
    };
  },

  async settledPermissions({ limit, cursor, scope }) {
    const values: Value[] = [...decodeSettled(cursor), limit + 1];
    const conditions = inScope(scope, values);
    const own =
      conditions.length > 0
        ? `and exists (select from sessions s where s.id = session_id and ${conditions.join(' and ')})`
        : '';
    const at = await sql.get(LAST_CURSOR);
    const rows = await sql.all(
      `select * from permissions where state <> 'pending' and (resolved_at collate "C", id) < ($1, $2) ${own}
       order by resolved_at collate "C" desc, id desc limit $3`,
      ...values,
    );
    return { ...settledPage(rows, limit), cursor: Number(at?.cursor) };
  },
});
