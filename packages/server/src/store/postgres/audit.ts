import type { AuditStore } from '../audit.ts';
import { AUDIT_COLUMNS, auditFromRow, auditRow, boundsOf, equalTo, leadingColumn } from '../audit-rows.ts';
import type { Sql } from './pool.ts';

const NUMBERS: ReadonlySet<string> = new Set(['status', 'count']);
const INSERT = `insert into audit (${AUDIT_COLUMNS.join(', ')})
  select ${AUDIT_COLUMNS.join(', ')} from jsonb_to_recordset($1::jsonb)
    as r(${AUDIT_COLUMNS.map((name) => `${name} ${NUMBERS.has(name) ? 'int' : 'text'}`).join(', ')})
  on conflict do nothing`;

export const auditStore = (sql: Sql): AuditStore => ({
  async append(records) {
    await sql.all(INSERT, JSON.stringify(records.map(auditRow)));
  },

  async list({ limit, ...query }) {
    const { above, below } = boundsOf(query);
    const lead = leadingColumn(query);
    const values: (string | number)[] = [above, below];
    const conditions = equalTo(query)
      .filter(([column]) => column !== lead)
      // An expression keeps a column from being looked up in another index.
      .map(([column, value]) => `${column} || '' = $${values.push(value)}`);
    const led = equalTo(query).find(([column]) => column === lead)?.[1];
    const order = query.newestFirst ? 'desc' : 'asc';
    // Comparing both columns of the index keeps the planner from walking all rows in the order of ids.
    const range =
      led === undefined
        ? 'id > $1 and id < $2'
        : `${lead} is not null and (${lead}, id) > ($${values.push(led)}, $1) and (${lead}, id) < ($${values.length}, $2)`;
    const rows = await sql.all(
      `select * from audit where ${[range, ...conditions].join(' and ')}
       order by ${led === undefined ? '' : `${lead} ${order}, `}id ${order} limit $${values.push(limit)}`,
      ...values,
    );
    return rows.map(auditFromRow);
  },

  async prune(before, limit) {
    const rows = await sql.all(
      `delete from audit where id <= (select max(id) from
         (select id from audit where id < $1 order by id limit $2) oldest) returning 1 as n`,
      before,
      limit,
    );
    return rows.length;
  },
});
