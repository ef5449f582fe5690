import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type ClientConfig, Pool, types } from 'pg';
import type { ReadRow } from '../rows.ts';
import { StorageError } from '../storage-error.ts';
import { asStorageError, classify } from './errors.ts';

export interface PostgresOptions {
  /** postgres://user:password@host:port/database */
  url: string;
  /** Whether connections keep prepared statements: not through a pooler in transaction mode. Default true. */
  prepared?: boolean | undefined;
  /** Connections for reading; writing has one more. Default 8. */
  connections?: number | undefined;
  /** A statement that takes longer fails. Default 30 s. */
  queryTimeoutMs?: number | undefined;
  /** Hears of failures that no caller gets. */
  onError?: ((error: unknown, what: string) => void) | undefined;
}

/** A value of a statement. */
export type Value = string | number | boolean | null | readonly string[] | Buffer;

/** Runs SQL: each statement on any connection, or all on one inside a transaction. */
export interface Sql {
  all(text: string, ...values: Value[]): Promise<ReadRow[]>;
  get(text: string, ...values: Value[]): Promise<ReadRow | undefined>;
}

/** SQL inside a transaction. */
export interface Transaction extends Sql {
  /** Runs several statements without values. */
  script(text: string): Promise<void>;
}

/** Connections to one database. What else keeps its rows there (who owns a session) uses the same ones. */
export interface PostgresPool extends Sql {
  /** Runs `work` in a transaction, which is repeated when another one was in the way. */
  transaction<T>(work: (sql: Transaction) => Promise<T>): Promise<T>;
  /** A connection of its own, which is not part of the pool. */
  client(): Client;
  close(): Promise<void>;
}

/** A pool hands out connections that died meanwhile: so often is a read tried again. */
const READ_ATTEMPTS = 4;
const CONFLICT_ATTEMPTS = 10;
const CONNECT_TIMEOUT_MS = 5_000;
/** A statement that takes longer hangs: the longest, a list of 100,000 sessions, takes less than a second. */
const QUERY_TIMEOUT_MS = 30_000;

const INT8 = 20;

/** Opens connections when they are needed. */
export function createPostgresPool(options: PostgresOptions): PostgresPool {
  const { url, prepared = true, connections = 8, queryTimeoutMs = QUERY_TIMEOUT_MS, onError } = options;
  const config: ClientConfig = {
    connectionString: url,
    application_name: 'claude-agent-server',
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: queryTimeoutMs,
    types: {
      // All our numbers are below 2^53.
      getTypeParser: ((oid: number, format?: 'text') =>
        oid === INT8 ? Number : types.getTypeParser(oid, format)) as typeof types.getTypeParser,
    },
  };
  const pool = new Pool({
    ...config,
    max: connections,
    idleTimeoutMillis: 60_000,
    // Compiling takes longer than any of our questions: 260 ms for one of 0.1 ms, with 100,000 sessions, because a plan that
    // may read much looks expensive. A pooler in transaction mode would give the setting to others.
    ...(prepared && { onConnect: async (client) => void (await client.query('set jit = off')) }),
  });
  // A connection that waited in the pool has died: the next statement gets another.
  pool.on('error', (error) => onError?.(error, 'keep a connection to the database'));
  const names = new Map<string, string>();
  let closed = false;

  const nameOf = (text: string): string => {
    const name = names.get(text) ?? `s${names.size}`;
    names.set(text, name);
    return name;
  };
  const query = (text: string, values: readonly Value[]) => ({
    text,
    values: values.map(asParameter),
    ...(prepared && { name: nameOf(text) }),
  });

  const all: Sql['all'] = async (text, ...values) => {
    for (let attempt = 1; ; attempt++) {
      if (closed) throw new StorageError('The store is closed.');
      try {
        return (await pool.query<ReadRow>(query(text, values))).rows;
      } catch (error) {
        if (classify(error) !== 'connection' || attempt >= READ_ATTEMPTS) throw asStorageError(error);
        await sleep(50 * attempt);
      }
    }
  };

  const once = async <T>(work: (sql: Transaction) => Promise<T>): Promise<T> => {
    const client = await pool.connect().catch(fail);
    const all = async (text: string, ...values: Value[]): Promise<ReadRow[]> =>
      (await client.query<ReadRow>(query(text, values)).catch(fail)).rows;
    const on: Transaction = {
      all,
      get: async (text, ...values) => (await all(text, ...values))[0],
      script: async (text) => {
        await client.query(text).catch(fail);
      },
    };
    let broken = true;
    try {
      await on.script('begin');
      const result = await work(on);
      await on.script('commit');
      broken = false;
      return result;
    } catch (error) {
      broken = await client.query('rollback').then(
        () => false,
        () => true,
      );
      throw error;
    } finally {
      client.release(broken);
    }
  };

  return {
    all,
    get: async (text, ...values) => (await all(text, ...values))[0],
    async transaction(work) {
      for (let attempt = 1; ; attempt++) {
        if (closed) throw new StorageError('The store is closed.');
        try {
          return await once(work);
        } catch (error) {
          if (!isConflict(error) || attempt >= CONFLICT_ATTEMPTS) throw error;
          await sleep(Math.random() * 20 * attempt);
        }
      }
    },
    client: () => new Client(config),
    async close() {
      closed = true;
      await pool.end();
    },
  };
}

/** Text as PostgreSQL takes it: without NUL and without halves of surrogate pairs. */
export const asText = (text: string): string => text.toWellFormed().replaceAll('\0', '\ufffd');

const fail = (error: unknown): never => {
  throw asStorageError(error);
};

const isConflict = (error: unknown): boolean =>
  error instanceof StorageError && classify(error.cause) === 'conflict';

const asParameter = (value: Value): unknown => {
  if (typeof value === 'string') return asText(value);
  return Array.isArray(value) ? value.map(asText) : value;
};
