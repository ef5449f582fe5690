import { changedValues, changeSql, isGood, KEY_COLUMNS, keyFromRow, valuesOf } from '../key-rows.ts';
import type { KeyTable } from '../keys.ts';
import type { Sql } from './pool.ts';

/** A key, and the one that made it, are good at $2. */
const BOTH_GOOD = `${isGood('k', '$2')} and (k.parent is null or not exists
  (select from api_keys p where p.id = k.parent and not (${isGood('p', '$2')})))`;

/** PostgreSQL cannot tell the types of parameters that are only compared with nothing, or given back. */
const CHANGED_TYPES = ['::text', '::text', '::int', '::text', '::int', '::double precision', '::text'];

export const keyTable = (sql: Sql): KeyTable => ({
  async insert(key) {
    const values = valuesOf(key);
    await sql.get(
      `insert into api_keys (${KEY_COLUMNS}) values (${values.map((_, n) => `$${n + 1}`).join(', ')})`,
      ...values,
    );
  },

  async get(id) {
    const row = await sql.get('select * from api_keys where id = $1', id);
    return row && keyFromRow(row);
  },

  async byHash(hash, now) {
    const row = await sql.get(
      `select k.* from api_keys k
       where k.id = coalesce((select id from api_keys where hash = $1),
                             (select id from api_keys where old_hash = $1 and old_until > $2)) and ${BOTH_GOOD}`,
      hash,
      now,
    );
    return row && keyFromRow(row);
  },

  async ended(ids, now) {
    const rows = await sql.all(
      `select id from unnest($1::text[]) id where not exists
         (select from api_keys k where k.id = id.id and ${BOTH_GOOD})`,
      ids,
      now,
    );
    return rows.map(({ id }) => String(id));
  },

  async list({ tenant, after = '', limit }) {
    const rows =
      tenant === undefined
        ? await sql.all(
            'select * from api_keys where session_id is null and id > $1 order by id limit $2',
            after,
            limit,
          )
        : await sql.all(
            'select * from api_keys where session_id is null and tenant = $1 and id > $2 order by id limit $3',
            tenant,
            after,
            limit,
          );
    return rows.map(keyFromRow);
  },

  async any() {
    return (await sql.get('select 1 as n from api_keys where session_id is null limit 1')) !== undefined;
  },

  async change(id, change) {
    const row = await sql.get(
      changeSql((n) => `$${n}${CHANGED_TYPES[n - 1]}`),
      ...changedValues(id, change),
    );
    return row && keyFromRow(row);
  },

  async revoke(id, at) {
    const tenant = '(select tenant from api_keys where id = $1)';
    await sql.get(`delete from push_subscriptions where tenant = ${tenant} and owner = $1`, id);
    await sql.get('update api_keys set revoked_at = coalesce(revoked_at, $1) where id = $2', at, id);
  },

  async rotate(id, hash, oldUntil) {
    await sql.get(
      'update api_keys set old_hash = hash, old_until = $1, hash = $2 where id = $3',
      oldUntil,
      hash,
      id,
    );
  },

  async used(id, at) {
    await sql.get('update api_keys set last_used_at = $1 where id = $2', at, id);
  },

  async prune(before) {
    await sql.get('delete from api_keys where session_id is not null and expires_at < $1', before);
  },
});
