import {
  DELIVERY_COLUMNS,
  deliveryFromRow,
  deliveryValues,
  WEBHOOK_COLUMNS,
  webhookFromRow,
  webhookSet,
  webhookValues,
} from '../webhook-rows.ts';
import type { WebhookStore } from '../webhooks.ts';
import type { Statements } from './statements.ts';

const marks = (columns: string): string =>
  columns
    .split(',')
    .map(() => '?')
    .join(', ');
const INSERT_DELIVERY = `insert into webhook_deliveries (${DELIVERY_COLUMNS}) values (${marks(DELIVERY_COLUMNS)})`;
const ONE = 'tenant = ? and webhook_id = ? and id = ?';

/** Where reading the events begins, if nobody was told of any: before the first webhook and push subscription. */
export function startCursor(sql: Statements, cursor: number): void {
  sql.run(
    `insert into webhook_cursor values (1, ?) on conflict (id) do update set cursor = excluded.cursor
       where not exists (select 1 from webhooks) and not exists (select 1 from push_subscriptions)`,
    cursor,
  );
}

/** @param together runs its work in one transaction */
export function webhookStore(sql: Statements, together: <T>(work: () => T) => T): WebhookStore {
  return {
    async insert(hook, cursor) {
      together(() => {
        startCursor(sql, cursor);
        sql.run(
          `insert into webhooks (${WEBHOOK_COLUMNS}) values (${marks(WEBHOOK_COLUMNS)})`,
          ...webhookValues(hook),
        );
      });
    },
    async get(tenant, id) {
      const row = sql.get('select * from webhooks where tenant = ? and id = ?', tenant, id);
      return row && webhookFromRow(row);
    },
    async list(tenant) {
      return sql
        .all('select * from webhooks where tenant = ? order by created_at, id', tenant)
        .map(webhookFromRow);
    },
    async enabled() {
      return sql.all("select * from webhooks where status = 'enabled'").map(webhookFromRow);
    },
    update: async (tenant, id, set) =>
      sql.update('webhooks', webhookSet(set), 'tenant = ? and id = ?', tenant, id) === 1,
    remove: async (tenant, id) =>
      together(() => {
        sql.run('delete from webhook_deliveries where tenant = ? and webhook_id = ?', tenant, id);
        return sql.run('delete from webhooks where tenant = ? and id = ?', tenant, id).changed === 1;
      }),

    async cursor() {
      const row = sql.get('select cursor from webhook_cursor where id = 1');
      return row && Number(row.cursor);
    },
    advance: async (from, to, deliveries) =>
      together(() => {
        const moved = sql.run('update webhook_cursor set cursor = ? where id = 1 and cursor = ?', to, from);
        if (moved.changed === 0) return false;
        for (const each of deliveries) sql.run(INSERT_DELIVERY, ...deliveryValues(each, Date.now()));
        return true;
      }),
    async enqueue(delivery) {
      sql.run(INSERT_DELIVERY, ...deliveryValues(delivery, Date.now()));
    },
    async claim(limit, leaseMs) {
      const now = Date.now();
      const rows = sql.all(
        `update webhook_deliveries set due_at = ?, attempts = attempts + 1
         where (tenant, webhook_id, id) in (select tenant, webhook_id, id from webhook_deliveries
           where state = 'pending' and due_at <= ? order by due_at limit ?) returning *`,
        now + leaseMs,
        now,
        limit,
      );
      return rows.map(deliveryFromRow);
    },
    async settle({ tenant, webhookId, id }, attempt) {
      const isOver = attempt.state !== 'pending';
      const row = {
        state: attempt.state,
        status: attempt.status,
        error: attempt.error,
        ...(isOver ? { settled_at: attempt.at } : { due_at: Date.now() + attempt.retryInMs }),
      };
      sql.update('webhook_deliveries', row, ONE, tenant, webhookId, id);
    },
    async again(tenant, webhookId, id) {
      const row = sql.get(
        `update webhook_deliveries set state = 'pending', attempts = 0, due_at = ?, settled_at = null
         where ${ONE} returning *`,
        Date.now(),
        tenant,
        webhookId,
        id,
      );
      return row && deliveryFromRow(row);
    },
    async deliveries({ tenant, webhookId, state, before, limit }) {
      const conditions = ['tenant = ? and webhook_id = ?'];
      const values: (string | number)[] = [tenant, webhookId];
      if (state) {
        conditions.push('state = ?');
        values.push(state);
      }
      if (before) {
        conditions.push('(created_at, id) < (?, ?)');
        values.push(before.createdAt, before.id);
      }
      const rows = sql.all(
        `select * from webhook_deliveries where ${conditions.join(' and ')}
         order by created_at desc, id desc limit ?`,
        ...values,
        limit,
      );
      return rows.map(deliveryFromRow);
    },
    async forget(sessionId) {
      sql.run('delete from webhook_deliveries where session_id = ?', sessionId);
    },
    async prune(before) {
      sql.run('delete from webhook_deliveries where settled_at is not null and settled_at < ?', before);
    },
  };
}
