/** Checks that no two migrations of a store have one number, as those of two branches may: `npm run check:migrations`. */
import { listMigrations } from '../packages/server/src/store/migrate.ts';

for (const folder of ['migrations', 'postgres/migrations']) {
  try {
    listMigrations(new URL(`../packages/server/src/store/${folder}/`, import.meta.url));
  } catch (error) {
    console.error(`packages/server/src/store/${folder}: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
