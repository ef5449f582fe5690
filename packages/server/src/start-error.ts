import { ConfigError } from './config.ts';
import { isStorageError } from './http/problems.ts';
import { ForeignDatabase } from './store/migrate.ts';
import { StorageError } from './store/storage-error.ts';

/** SQLite's codes for a damaged file, and for one that is not a database. */
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/** Turns a database failure at the start into a sentence; other errors stay as they are. */
export function asStartError(error: unknown, database: string): unknown {
  if (error instanceof ForeignDatabase) return new ConfigError(`${database}: ${error.message}`);
  if (!isStorageError(error)) return error;
  if (error instanceof StorageError) {
    return new ConfigError(
      `The database ${database} cannot be used: ${error.message}. Check --database-url, and that the database runs and lets this user create tables.`,
    );
  }
  const isBroken = 'errcode' in error && [SQLITE_CORRUPT, SQLITE_NOTADB].includes(Number(error.errcode));
  const remedy = isBroken
    ? 'Replace it with a backup, or choose another folder with --home.'
    : 'Check that the disk has room and that this user can write there, or choose another folder with --home.';
  return new ConfigError(`The database ${database} cannot be used: ${error.message}. ${remedy}`);
}
