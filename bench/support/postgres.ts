import { findPostgres, startCluster } from '../../packages/server/test/support/postgres.ts';

/** A database as it runs in earnest: what is acknowledged is on the disk. */
const DURABLE: Readonly<Record<string, string>> = {
  fsync: 'on',
  full_page_writes: 'on',
  shared_buffers: '256MB',
  max_wal_size: '4GB',
};

export interface BenchDatabase {
  url: string;
  stop(): Promise<void>;
}

/**
 * Starts a PostgreSQL of its own for a bench; it ends with this process, however that ends.
 * @param settings of the server; by default it is durable
 * @throws Error where PostgreSQL is not installed
 */
export async function startDatabase(
  settings: Readonly<Record<string, string>> = DURABLE,
): Promise<BenchDatabase> {
  const programs = findPostgres();
  if (programs === undefined) throw new Error('This bench needs PostgreSQL: apt-get install postgresql.');
  const { socket, stop } = await startCluster(programs, { ...settings });
  return { url: `postgres://test@localhost/postgres?host=${encodeURIComponent(socket)}`, stop };
}
