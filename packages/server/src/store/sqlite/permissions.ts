import { permissionFromRow } from '../rows.ts';
import type { Store } from '../store.ts';
import { lastCursor } from './events.ts';
import type { Statements } from './statements.ts';

/** What the store answers about permission requests. */
export const permissionReads = (sql: Statements): Pick<Store, 'getPermission' | 'pendingPermissions'> => ({
  async getPermission(sessionId, id) {
    const row = sql.get('select * from permissions where id = ? and session_id = ?', id, sessionId);
    return row && permissionFromRow(row);
  },

  async pendingPermissions() {
    const rows = sql.all("select * from permissions where state = 'pending' order by position");
    return { permissions: rows.map(permissionFromRow), cursor: lastCursor(sql) };
  },
});
