import type { Store } from '../store.ts';
import type { Sql } from './pool.ts';

export const secretRead = (sql: Sql): Pick<Store, 'secret'> => ({
  async secret(name, fresh) {
    await sql.get('insert into server_secrets values ($1, $2) on conflict (name) do nothing', name, fresh);
    return String((await sql.get('select value from server_secrets where name = $1', name))?.value);
  },
});
