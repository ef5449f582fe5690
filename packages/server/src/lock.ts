import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ConfigError } from './config.ts';

/** The server's own folder, held by this process alone. */
export interface Home {
  folder: string;
  /** Names this home among all servers of the machine; the agents' processes are marked with it. */
  instance: string;
  release(): void;
}

/**
 * Takes a home folder, and makes it when it is missing.
 *
 * The lock is a transaction on a small database of its own: the operating system frees it when this process
 * dies, however it dies, so no stale lock file is ever in the way.
 *
 * @throws ConfigError when another server has it
 */
export function takeHome(folder: string): Home {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new ConfigError(
      `The home folder ${folder} cannot be made: ${String(error)}. Choose another with --home.`,
    );
  }
  const lock = new DatabaseSync(join(folder, 'lock.db'));
  const holder = join(folder, 'server.pid');
  try {
    lock.exec('begin exclusive');
  } catch {
    lock.close();
    const pid = existsSync(holder) ? ` (process ${readFileSync(holder, 'utf8').trim()})` : '';
    throw new ConfigError(
      `Another server${pid} uses the home folder ${folder}. Stop it first, or choose another folder with --home.`,
    );
  }
  writeFileSync(holder, `${process.pid}\n`);
  const name = join(folder, 'instance');
  if (!existsSync(name)) writeFileSync(name, `${randomUUID()}\n`);
  return {
    folder,
    instance: readFileSync(name, 'utf8').trim(),
    release() {
      lock.exec('rollback');
      lock.close();
    },
  };
}
