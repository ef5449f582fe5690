import type { PushStore } from '../push.ts';
import { PUSH_COLUMNS, PUSH_RENEWED, pushFromRow, pushValues } from '../push-rows.ts';
import type { PostgresPool } from './pool.ts';
import { startCursor } from './webhooks.ts';

export function pushStore(pool: PostgresPool): PushStore {
  return {
    async vapid({ publicKey, privateJwk }) {
      await pool.all(
        'insert into push_keys values (1, $1, $2) on conflict (id) do nothing',
        publicKey,
        privateJwk,
      );
      const row = await pool.get('select public_key, private_jwk from push_keys where id = 1');
      return { publicKey: String(row?.public_key), privateJwk: String(row?.private_jwk) };
    },
    async put(subscription, cursor) {
      const values = pushValues(subscription);
      await pool.transaction(async (sql) => {
        await startCursor(sql, cursor);
        await sql.all(
          `insert into push_subscriptions (${PUSH_COLUMNS}) values (${values.map((_, n) => `$${n + 1}`).join(', ')})
             on conflict (tenant, id) do update set ${PUSH_RENEWED}`,
          ...values,
        );
      });
    },
    async get(tenant, id) {
      const row = await pool.get(
        'select * from push_subscriptions where tenant = $1 and id = $2',
        tenant,
        id,
      );
      return row && pushFromRow(row);
    },
    async list(tenant, owner) {
      const rows = await pool.all(
        'select * from push_subscriptions where tenant = $1 and owner = $2 order by created_at, id',
        tenant,
        owner,
      );
      return rows.map(pushFromRow);
    },
    async all() {
      return (await pool.all('select * from push_subscriptions')).map(pushFromRow);
    },
    remove: (tenant, id) =>
      pool.transaction(async (sql) => {
        await sql.all('delete from webhook_deliveries where tenant = $1 and webhook_id = $2', tenant, id);
        const gone = await sql.all(
          'delete from push_subscriptions where tenant = $1 and id = $2 returning id',
          tenant,
          id,
        );
        return gone.length === 1;
      }),
  };
}
