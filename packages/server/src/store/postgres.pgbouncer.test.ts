import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  caughtUp,
  emptyDatabase,
  findPooler,
  hasPostgres,
  newDatabase,
  startPooler,
} from '../../test/support/postgres.ts';
import { sampleEvent, sampleSession } from '../../test/support/samples.ts';
import { openPostgresStore, type PostgresStore } from './postgres.ts';
import { describeStore } from './store.conformance.ts';

const program = findPooler();

describe.skipIf(!hasPostgres() || program === undefined)('through PgBouncer in transaction mode', () => {
  let direct: string;
  let url: string;
  let pooler: Awaited<ReturnType<typeof startPooler>>;

  const open = async (): Promise<PostgresStore> => {
    await emptyDatabase(direct);
    return caughtUp(await openPostgresStore({ url, connections: 4, prepared: false, listen: false }));
  };

  beforeAll(async () => {
    direct = await newDatabase();
    pooler = await startPooler(program ?? '');
    url = pooler.through(direct);
  });
  afterAll(() => pooler?.stop());

  describeStore('PostgreSQL', open, { runs: 4 });

  test('stores of several nodes start at once and write side by side', async () => {
    const fresh = pooler.through(await newDatabase());
    const stores = await Promise.all(
      Array.from({ length: 4 }, () => openPostgresStore({ url: fresh, prepared: false, listen: false })),
    );
    const sessions = await Promise.all(
      stores.map(async (store) => {
        const session = sampleSession();
        await store.write([{ kind: 'insert-session', session }]);
        return session.id;
      }),
    );
    await Promise.all(
      Array.from({ length: 100 }, (_, n) => stores[n % 4]?.write([sampleEvent(sessions[n % 4] ?? '')])),
    );
    for (const id of sessions) expect(await stores[0]?.readEvents(id, 0, 99)).toHaveLength(25);
    await Promise.all(stores.map((store) => store.close()));
  });
});
