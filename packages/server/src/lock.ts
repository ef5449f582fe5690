import { createHash, randomUUID } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ConfigError } from './config.ts';
import { messageOf } from './errors.ts';

/** The server's own folder, locked by this process. */
export interface Home {
  folder: string;
  /** The path of a file in it, created with access for its owner only; SQLite alone would let everybody read it. */
  file(name: string): string;
  /** Identifies this home among all servers of the machine; agent processes are marked with it. */
  instance: string;
  release(): void;
}

/** The files that the server writes into its home; they hold conversations and prompts. */
const FILES = [
  ...['server.db', 'transcripts.db'].flatMap((name) => [name, `${name}-wal`, `${name}-shm`]),
  ...['lock.db', 'instance', 'server.pid', 'server.url', 'server.log', 'moved.json', 'secrets.key'],
];
/** SQLite's code for a locked database. */
const SQLITE_BUSY = 5;

/**
 * Locks a home folder, creating it if needed, and makes its files private.
 *
 * There are two locks, and the operating system releases both however this process dies, so there is never a stale
 * lock. One is a transaction on a small database in the folder: it works across containers that share the folder. The
 * other, on Linux, is a socket named after the folder's inode: it holds even if `lock.db` is removed.
 *
 * @throws ConfigError when another server holds the home, or it cannot be used
 */
export async function takeHome(folder: string): Promise<Home> {
  try {
    return await take(folder);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(
      `The home folder ${folder} cannot be used: ${messageOf(error)}. Make it a folder that this user can write to, or choose another with --home.`,
    );
  }
}

async function take(folder: string): Promise<Home> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  makePrivate(folder);
  const { dev, ino } = statSync(folder, { bigint: true });
  const socket = await lockByName(folder, `${dev}:${ino}`);
  let lock: DatabaseSync | undefined;
  try {
    lock = lockByDatabase(folder);
    writeFileSync(join(folder, 'server.pid'), `${process.pid}\n`, { mode: 0o600 });
    const name = join(folder, 'instance');
    if (!existsSync(name)) writeFileSync(name, `${randomUUID()}\n`, { mode: 0o600 });
    return {
      folder,
      file(name) {
        const path = join(folder, name);
        touch(path);
        return path;
      },
      // Includes the folder's inode: a copy of a home, next to the original or restored from a backup, is another
      // home, and its server must not touch the original's agents.
      instance: digest(`${readFileSync(name, 'utf8').trim()} ${dev} ${ino}`),
      release() {
        lock?.close();
        socket?.close();
      },
    };
  } catch (error) {
    lock?.close();
    socket?.close();
    throw error;
  }
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 32);

const takenBy = (folder: string): ConfigError => {
  const holder = join(folder, 'server.pid');
  const pid = existsSync(holder) ? ` (process ${readFileSync(holder, 'utf8').trim()})` : '';
  return new ConfigError(
    `Another server${pid} uses the home folder ${folder}. Stop it first, or choose another folder with --home.`,
  );
};

/** Undefined on systems without such sockets. */
async function lockByName(folder: string, name: string): Promise<Server | undefined> {
  if (process.platform !== 'linux') return undefined;
  const server = createServer((caller) => caller.destroy());
  const failed = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once('error', resolve);
    // The leading zero byte: an abstract socket, without a file.
    server.listen(`\0claude-agent-server:${name}`, () => resolve(undefined));
  });
  if (failed?.code === 'EADDRINUSE') throw takenBy(folder);
  if (failed) return undefined;
  server.unref();
  return server;
}

function lockByDatabase(folder: string): DatabaseSync {
  const file = join(folder, 'lock.db');
  touch(file);
  const lock = new DatabaseSync(file);
  try {
    lock.exec('begin exclusive');
    return lock;
  } catch (error) {
    lock.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) throw takenBy(folder);
    throw new Error(`${file}: ${messageOf(error)}`);
  }
}

/** Creates the file if it is missing. */
function touch(file: string): void {
  closeSync(openSync(file, 'a', 0o600));
}

/**
 * Closes a folder and files that older versions, or a manual `mkdir`, left readable to others. Another user's folder,
 * or a shared one (/tmp), is left alone.
 */
function makePrivate(folder: string): void {
  const { uid, mode } = statSync(folder);
  if (uid === process.getuid?.() && (mode & 0o1000) === 0 && (mode & 0o077) !== 0) chmodSync(folder, 0o700);
  for (const file of FILES.map((name) => join(folder, name))) {
    const found = statSync(file, { throwIfNoEntry: false });
    if (found?.isFile() && (found.mode & 0o077) !== 0) chmodSync(file, 0o600);
  }
}
