import { changedValues, changeSql, isGood, KEY_COLUMNS, keyFromRow, valuesOf } from '../key-rows.ts';
import type { KeyTable } from '../keys.ts';
import type { Statements } from './statements.ts';

/** A key, and the one that made it, are good at ?2. */
const BOTH_GOOD = `${isGood('k', '?2')} and (k.parent is null or not exists
  (select 1 from api_keys p where p.id = k.parent and not (${isGood('p', '?2')})))`;

export const keyTable = (sql: Statements): KeyTable => ({
  async insert(key) {
    const values = valuesOf(key);
    sql.run(`insert into api_keys (${KEY_COLUMNS}) values (${values.map(() => '?').join(', ')})`, ...values);
  },

  async get(id) {
    const row = sql.get('select * from api_keys where id = ?', id);
    return row && keyFromRow(row);
  },

  async byHash(hash, now) {
    const row = sql.get(
      `select k.* from api_keys k
       where k.id = coalesce((select id from api_keys where hash = ?1),
                             (select id from api_keys where old_hash = ?1 and old_until > ?2)) and ${BOTH_GOOD}`,
      hash,
      now,
    );
    return row && keyFromRow(row);
  },

  async ended(ids, now) {
    const rows = sql.all(
      `select value as id from json_each(?1) where not exists
         (select 1 from api_keys k where k.id = value and ${BOTH_GOOD})`,
      JSON.stringify(ids),
      now,
    );
    return rows.map(({ id }) => String(id));
  },

  async list({ tenant, after = '', limit }) {
    const rows =
      tenant === undefined
        ? sql.all(
            'select * from api_keys where session_id is null and id > ? order by id limit ?',
            after,
            limit,
          )
        : sql.all(
            'select * from api_keys where session_id is null and tenant = ? and id > ? order by id limit ?',
            tenant,
            after,
            limit,
          );
    return rows.map(keyFromRow);
  },

  async any() {
    return sql.get('select 1 from api_keys where session_id is null limit 1') !== undefined;
  },

  async change(id, change) {
    const row = sql.get(
      changeSql((n) => `?${n}`),
      ...changedValues(id, change),
    );
    return row && keyFromRow(row);
  },

  async revoke(id, at) {
    const tenant = '(select tenant from api_keys where id = ?)';
    sql.run(`delete from push_subscriptions where tenant = ${tenant} and owner = ?`, id, id);
    sql.run('update api_keys set revoked_at = coalesce(revoked_at, ?) where id = ?', at, id);
  },

  async rotate(id, hash, oldUntil) {
    sql.run('update api_keys set old_hash = hash, old_until = ?, hash = ? where id = ?', oldUntil, hash, id);
  },

  async used(id, at) {
    sql.run('update api_keys set last_used_at = ? where id = ?', at, id);
  },

  async prune(before) {
    sql.run('delete from api_keys where session_id is not null and expires_at < ?', before);
  },
});
