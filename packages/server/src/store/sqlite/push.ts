import type { PushStore } from '../push.ts';
import { PUSH_COLUMNS, PUSH_RENEWED, pushFromRow, pushValues } from '../push-rows.ts';
import type { Statements } from './statements.ts';
import { startCursor } from './webhooks.ts';

/** @param together runs its work in one transaction */
export function pushStore(sql: Statements, together: <T>(work: () => T) => T): PushStore {
  return {
    vapid: async ({ publicKey, privateJwk }) =>
      together(() => {
        sql.run('insert into push_keys values (1, ?, ?) on conflict (id) do nothing', publicKey, privateJwk);
        const row = sql.get('select public_key, private_jwk from push_keys where id = 1');
        return { publicKey: String(row?.public_key), privateJwk: String(row?.private_jwk) };
      }),
    async put(subscription, cursor) {
      const values = pushValues(subscription);
      together(() => {
        startCursor(sql, cursor);
        sql.run(
          `insert into push_subscriptions (${PUSH_COLUMNS}) values (${values.map(() => '?').join(', ')})
             on conflict (tenant, id) do update set ${PUSH_RENEWED}`,
          ...values,
        );
      });
    },
    async get(tenant, id) {
      const row = sql.get('select * from push_subscriptions where tenant = ? and id = ?', tenant, id);
      return row && pushFromRow(row);
    },
    async list(tenant, owner) {
      const rows = sql.all(
        'select * from push_subscriptions where tenant = ? and owner = ? order by created_at, id',
        tenant,
        owner,
      );
      return rows.map(pushFromRow);
    },
    async all() {
      return sql.all('select * from push_subscriptions').map(pushFromRow);
    },
    remove: async (tenant, id) =>
      together(() => {
        sql.run('delete from webhook_deliveries where tenant = ? and webhook_id = ?', tenant, id);
        return (
          sql.run('delete from push_subscriptions where tenant = ? and id = ?', tenant, id).changed === 1
        );
      }),
  };
}
