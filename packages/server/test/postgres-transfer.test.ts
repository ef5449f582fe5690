import { describe } from 'vitest';
import { hasPostgres } from './support/postgres.ts';

describe.skipIf(!hasPostgres())('on PostgreSQL', async () => {
  process.env.CLAUDE_TEST_STORE = 'postgres';
  await import('./transfer.test.ts');
});
