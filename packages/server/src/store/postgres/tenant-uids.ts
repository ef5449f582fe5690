import type { TenantUids } from '../tenant-uids.ts';
import type { PostgresPool } from './pool.ts';

/** Of those that give numbers at the same time, one goes on: a tenant's first agent can wait for that. */
const GIVES_NUMBERS = 0x7e7a;

export const tenantUidRead = (pool: PostgresPool): TenantUids => ({
  async tenantUid(tenant, { first, count }) {
    const text = 'select uid from tenant_uids where tenant = $1';
    const last = first + count - 1;
    const row =
      (await pool.get(text, tenant)) ??
      (await pool.transaction(async (sql) => {
        await sql.get('select pg_advisory_xact_lock($1)', GIVES_NUMBERS);
        await sql.get(
          `insert into tenant_uids select $1, uid from
            (select coalesce(max(uid) + 1, $2) as uid from tenant_uids where uid between $2 and $3) as free where uid <= $3
            on conflict (tenant) do nothing`,
          tenant,
          first,
          last,
        );
        return sql.get(text, tenant);
      }));
    return row && Number(row.uid);
  },
});
