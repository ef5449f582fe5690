import type { TenantUids } from '../tenant-uids.ts';
import type { Statements } from './statements.ts';

export const tenantUidRead = (sql: Statements): TenantUids => ({
  async tenantUid(tenant, { first, count }) {
    const read = (): number | undefined => {
      const row = sql.get('select uid from tenant_uids where tenant = ?', tenant);
      return row && Number(row.uid);
    };
    const last = first + count - 1;
    const known = read();
    if (known !== undefined) return known;
    sql.run(
      `insert into tenant_uids select ?, uid from
        (select coalesce(max(uid) + 1, ?) as uid from tenant_uids where uid between ? and ?) where uid <= ?`,
      tenant,
      first,
      first,
      last,
      last,
    );
    return read();
  },
});
