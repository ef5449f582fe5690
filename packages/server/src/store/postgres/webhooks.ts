import {
  DELIVERY_COLUMNS,
  deliveryFromRow,
  deliveryValues,
  WEBHOOK_COLUMNS,
  webhookFromRow,
  webhookSet,
  webhookValues,
} from '../webhook-rows.ts';
import type { NewDelivery, WebhookStore } from '../webhooks.ts';
import type { PostgresPool, Sql, Value } from './pool.ts';

const marks = (columns: string): string =>
  columns
    .split(',')
    .map((_, index) => `$${index + 1}`)
    .join(', ');
/** All nodes mean the database's clock. Of the statement: an index can be searched with it. */
const NOW = '(extract(epoch from statement_timestamp()) * 1000)::bigint';
const ONE = 'tenant = $1 and webhook_id = $2 and id = $3';

async function add(sql: Sql, delivery: NewDelivery): Promise<void> {
  // Due since 1970: at once, whatever this node's clock says.
  await sql.all(
    `insert into webhook_deliveries (${DELIVERY_COLUMNS}) values (${marks(DELIVERY_COLUMNS)})`,
    ...deliveryValues(delivery, 0),
  );
}

/** Where reading the events begins, if nobody was told of any: before the first webhook and push subscription. */
export async function startCursor(sql: Sql, cursor: number): Promise<void> {
  await sql.all(
    `insert into webhook_cursor as c values (1, $1) on conflict (id) do update set cursor = excluded.cursor
       where not exists (select 1 from webhooks) and not exists (select 1 from push_subscriptions)`,
    cursor,
  );
}

export function webhookStore(pool: PostgresPool): WebhookStore {
  return {
    async insert(hook, cursor) {
      await pool.transaction(async (sql) => {
        await startCursor(sql, cursor);
        await sql.all(
          `insert into webhooks (${WEBHOOK_COLUMNS}) values (${marks(WEBHOOK_COLUMNS)})`,
          ...webhookValues(hook),
        );
      });
    },
    async get(tenant, id) {
      const row = await pool.get('select * from webhooks where tenant = $1 and id = $2', tenant, id);
      return row && webhookFromRow(row);
    },
    async list(tenant) {
      const rows = await pool.all('select * from webhooks where tenant = $1 order by created_at, id', tenant);
      return rows.map(webhookFromRow);
    },
    async enabled() {
      return (await pool.all("select * from webhooks where status = 'enabled'")).map(webhookFromRow);
    },
    async update(tenant, id, set) {
      const columns = Object.entries(webhookSet(set));
      const assigned = ['tenant = tenant', ...columns.map(([name], index) => `${name} = $${index + 3}`)];
      const rows = await pool.all(
        `update webhooks set ${assigned.join(', ')} where tenant = $1 and id = $2 returning id`,
        tenant,
        id,
        ...columns.map(([, value]) => value),
      );
      return rows.length === 1;
    },
    remove: (tenant, id) =>
      pool.transaction(async (sql) => {
        await sql.all('delete from webhook_deliveries where tenant = $1 and webhook_id = $2', tenant, id);
        const gone = await sql.all(
          'delete from webhooks where tenant = $1 and id = $2 returning id',
          tenant,
          id,
        );
        return gone.length === 1;
      }),

    async cursor() {
      const row = await pool.get('select cursor from webhook_cursor where id = 1');
      return row && Number(row.cursor);
    },
    advance: (from, to, deliveries) =>
      pool.transaction(async (sql) => {
        const moved = await sql.all(
          'update webhook_cursor set cursor = $2 where id = 1 and cursor = $1 returning id',
          from,
          to,
        );
        if (moved.length === 0) return false;
        for (const each of deliveries) await add(sql, each);
        return true;
      }),
    enqueue: (delivery) => add(pool, delivery),
    async claim(limit, leaseMs) {
      // By ctid, which the lock keeps: by key, the planner would read the table for a limit that it does not know.
      const rows = await pool.all(
        `update webhook_deliveries set due_at = ${NOW} + $2, attempts = attempts + 1
         where ctid = any(array(select ctid from webhook_deliveries
           where state = 'pending' and due_at <= ${NOW} order by due_at limit $1 for update skip locked))
         returning *`,
        limit,
        leaseMs,
      );
      return rows.map(deliveryFromRow);
    },
    async settle({ tenant, webhookId, id }, attempt) {
      const isOver = attempt.state !== 'pending';
      await pool.all(
        `update webhook_deliveries set state = $4, status = $5, error = $6,
           settled_at = $7, due_at = case when $7::text is null then ${NOW} + $8 else due_at end
         where ${ONE}`,
        tenant,
        webhookId,
        id,
        attempt.state,
        attempt.status,
        attempt.error,
        isOver ? attempt.at : null,
        isOver ? 0 : attempt.retryInMs,
      );
    },
    async again(tenant, webhookId, id) {
      const row = await pool.get(
        `update webhook_deliveries set state = 'pending', attempts = 0, due_at = 0, settled_at = null
         where ${ONE} returning *`,
        tenant,
        webhookId,
        id,
      );
      return row && deliveryFromRow(row);
    },
    async deliveries({ tenant, webhookId, state, before, limit }) {
      const conditions = ['tenant = $1 and webhook_id = $2'];
      const values: Value[] = [tenant, webhookId, limit];
      if (state) conditions.push(`state = $${values.push(state)}`);
      if (before) {
        const at = `$${values.push(before.createdAt)}`;
        conditions.push(`(created_at, id) < (${at}, $${values.push(before.id)})`);
      }
      const rows = await pool.all(
        `select * from webhook_deliveries where ${conditions.join(' and ')}
         order by created_at desc, id desc limit $3`,
        ...values,
      );
      return rows.map(deliveryFromRow);
    },
    async forget(sessionId) {
      await pool.all('delete from webhook_deliveries where session_id = $1', sessionId);
    },
    async prune(before) {
      await pool.all(
        'delete from webhook_deliveries where settled_at is not null and settled_at < $1',
        before,
      );
    },
  };
}
