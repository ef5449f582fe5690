import type { AuditStore } from '../audit.ts';
import { AUDIT_COLUMNS, auditFromRow, auditRow, boundsOf, equalTo, leadingColumn } from '../audit-rows.ts';
import type { Statements } from './statements.ts';

const INSERT = `insert into audit (${AUDIT_COLUMNS.join(', ')}) values (${AUDIT_COLUMNS.map(() => '?').join(', ')})
  on conflict do nothing`;

/** @param together runs its work in one transaction */
export const auditStore = (sql: Statements, together: <T>(work: () => T) => T): AuditStore => ({
  async append(records) {
    together(() => {
      for (const record of records) sql.run(INSERT, ...Object.values(auditRow(record)));
    });
  },

  async list({ limit, ...query }) {
    const { above, below } = boundsOf(query);
    const lead = leadingColumn(query);
    const filters = equalTo(query);
    // A plus keeps a column from being looked up in another index.
    const conditions = filters.map(([column]) => `${column === lead ? '' : '+'}${column} = ?`);
    const rows = sql.all(
      `select * from audit where ${[...conditions, 'id > ?', 'id < ?'].join(' and ')}
       order by id ${query.newestFirst ? 'desc' : 'asc'} limit ?`,
      ...filters.map(([, value]) => value),
      above,
      below,
      limit,
    );
    return rows.map(auditFromRow);
  },

  prune: async (before, limit) =>
    sql.run(
      'delete from audit where id in (select id from audit where id < ? order by id limit ?)',
      before,
      limit,
    ).changed,
});
