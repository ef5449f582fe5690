import type { Store } from '../store.ts';
import type { Statements } from './statements.ts';

export const secretRead = (sql: Statements): Pick<Store, 'secret'> => ({
  async secret(name, fresh) {
    sql.run('insert into server_secrets values (?, ?) on conflict (name) do nothing', name, fresh);
    return String(sql.get('select value from server_secrets where name = ?', name)?.value);
  },
});
