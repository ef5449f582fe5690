import { ConfigError } from 'claude-agent-gateway';
import { z } from 'zod';

/** What stands between the server and PostgreSQL: in transaction mode a connection keeps nothing between statements. */
const DatabasePooler = z.enum(['none', 'transaction']);

/** The fields of the configuration file. */
export const DATABASE_FIELDS = {
  database_url: z.string().min(1).optional(),
  database_pooler: DatabasePooler.optional(),
  database_connections: z.int().min(1).max(1_000).optional(),
};

/** A PostgreSQL database that servers share. */
export interface DatabaseConfig {
  url: string;
  pooler: z.infer<typeof DatabasePooler>;
  /** The most connections for reading. */
  connections: number;
}

/** Undefined without a database. @throws ConfigError */
export function readDatabase({
  database_url: url,
  database_pooler: pooler,
  database_connections: connections,
}: z.infer<z.ZodObject<typeof DATABASE_FIELDS>>): DatabaseConfig | undefined {
  if (url === undefined) return undefined;
  if (!/^postgres(ql)?:\/\//.test(url)) {
    throw new ConfigError(
      'The database URL must begin with postgres://, as in postgres://USER@HOST:5432/NAME.',
    );
  }
  return { url, pooler: pooler ?? 'none', connections: connections ?? 8 };
}
