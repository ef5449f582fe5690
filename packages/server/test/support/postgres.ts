import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import type { PostgresStore } from '../../src/store/postgres.ts';

const run = promisify(execFile);

/**
 * One PostgreSQL for the whole run, in a temporary folder, started when the first test asks. The test runner's main
 * process owns it; the workers ask through a socket, whose path is in this variable.
 */
const ASK = 'CLAUDE_TEST_POSTGRES';

/** With this variable a machine without PostgreSQL fails the tests that need one, instead of skipping them. */
const REQUIRED = 'CLAUDE_TEST_NEEDS_POSTGRES';

/** A throw-away cluster: nothing that it holds has to survive. */
const SETTINGS = {
  listen_addresses: '',
  fsync: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  shared_buffers: '64MB',
  max_connections: '200',
  jit: 'off',
};

interface Cluster {
  /** Folder of the unix socket. */
  socket: string;
  stop(): Promise<void>;
}

/** The folder with the server's programs, if this machine has them. */
export function findPostgres(): string | undefined {
  const versions = '/usr/lib/postgresql';
  const installed = existsSync(versions) ? readdirSync(versions).sort().reverse() : [];
  const folders = [
    ...installed.map((version) => join(versions, version, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/local/bin',
  ];
  return folders.find((folder) => ['initdb', 'postgres'].every((name) => existsSync(join(folder, name))));
}

/** PostgreSQL refuses to run as root: then it runs as its own user, or as nobody. */
function otherUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const idOf = (name: string, flag: string): number | undefined => {
    try {
      return Number(
        execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
      );
    } catch {
      return undefined;
    }
  };
  const name = ['postgres', 'nobody'].find((each) => idOf(each, '-u') !== undefined) ?? 'nobody';
  return { uid: idOf(name, '-u') ?? 65534, gid: idOf(name, '-g') ?? 65534 };
}

/** Starts a cluster that ends with this process, however that ends. */
export async function startCluster(
  programs: string,
  settings: Record<string, string> = {},
): Promise<Cluster> {
  const user = otherUser();
  const base = mkdtempSync(join(tmpdir(), 'claude-pg-'));
  const data = join(base, 'data');
  mkdirSync(data, { mode: 0o700 });
  chmodSync(base, 0o755);
  if (user) for (const folder of [base, data]) chownSync(folder, user.uid, user.gid);
  const env = { PATH: process.env.PATH ?? '', LC_ALL: 'C.UTF-8' };
  // The test runner's main process waits: while it is blocked it does not see its workers end, and says after 10 s (its clock
  // first, then what came meanwhile) that they do not. On a busy machine this takes longer.
  await run(
    join(programs, 'initdb'),
    ['-D', data, '-U', 'test', '--auth=trust', '--encoding=UTF8', '--locale=C.UTF-8', '--no-sync'],
    { ...user, env, cwd: base },
  );
  const all = { ...SETTINGS, unix_socket_directories: base, ...settings };
  const options = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const command = [join(programs, 'postgres'), '-D', data, ...options];
  // The shell's input ends when this process does, also if it is killed.
  const child: ChildProcess = spawn(
    'sh',
    ['-c', '"$@" & pid=$!; read _; kill -QUIT $pid; wait $pid', 'sh', ...command],
    {
      ...user,
      env,
      cwd: base,
      stdio: ['pipe', 'ignore', 'pipe'],
    },
  );
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await untilReady(base, exited, () => said);
  return {
    socket: base,
    async stop() {
      child.stdin?.end();
      await exited;
      rmSync(base, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function untilReady(socket: string, exited: Promise<void>, said: () => string): Promise<void> {
  let over = false;
  exited.then(() => {
    over = true;
  });
  for (;;) {
    if (over) throw new Error(`PostgreSQL did not start: ${said()}`);
    const client = new Client({ host: socket, user: 'test', database: 'postgres' });
    try {
      await client.connect();
      await client.end();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** For the test runner's main process: answers workers that ask for the cluster. */
export default function setup(): (() => Promise<void>) | undefined {
  const programs = findPostgres();
  if (programs === undefined) {
    if (process.env[REQUIRED]) throw new Error(`${REQUIRED} is set, and this machine has no PostgreSQL.`);
    console.warn(
      'No PostgreSQL on this machine: tests of the PostgreSQL store are skipped (apt-get install postgresql).',
    );
    return undefined;
  }
  const folder = mkdtempSync(join(tmpdir(), 'claude-pg-ask-'));
  let cluster: Promise<Cluster> | undefined;
  const server = createServer((connection) => {
    cluster ??= startCluster(programs);
    cluster.then(
      ({ socket }) => connection.end(socket),
      (error: unknown) => connection.end(`failed: ${String(error)}`),
    );
  });
  const path = join(folder, 'ask');
  server.listen(path);
  process.env[ASK] = path;
  return async () => {
    server.close();
    await (await cluster?.catch(() => undefined))?.stop();
    rmSync(folder, { recursive: true, force: true });
  };
}

/** Whether this run has a PostgreSQL. */
export const hasPostgres = (): boolean => process.env[ASK] !== undefined;

async function socketOfRun(): Promise<string> {
  let answer = '';
  for await (const chunk of connect(process.env[ASK] ?? '')) answer += String(chunk);
  if (answer.startsWith('failed')) throw new Error(answer);
  return answer;
}

/** A new, empty database of the run's cluster, as an address. */
export async function newDatabase(): Promise<string> {
  const host = await socketOfRun();
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const client = new Client({ host, user: 'test', database: 'postgres' });
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  return `postgres://test@localhost/${name}?host=${encodeURIComponent(host)}`;
}

/** Whether this machine has the pooler; Debian keeps it outside the PATH of users. */
export const findPooler = (): string | undefined =>
  [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
    .map((folder) => join(folder, 'pgbouncer'))
    .find((file) => existsSync(file));

/**
 * A pooler in transaction mode in front of the run's cluster: each transaction may get another connection, and what a
 * session keeps is lost or meets others.
 */
export async function startPooler(
  program: string,
): Promise<{ through(url: string): string; stop(): Promise<void> }> {
  const host = await socketOfRun();
  const user = otherUser();
  const base = mkdtempSync(join(tmpdir(), 'claude-pgbouncer-'));
  const ini = join(base, 'pgbouncer.ini');
  writeFileSync(
    ini,
    `[databases]
* = host=${host} user=test
[pgbouncer]
listen_port = 6432
unix_socket_dir = ${base}
auth_type = any
pool_mode = transaction
default_pool_size = 3
server_round_robin = 1
`,
  );
  if (user) for (const path of [base, ini]) chownSync(path, user.uid, user.gid);
  const child = spawn(program, ['-q', ini], {
    ...user,
    env: { PATH: process.env.PATH ?? '' },
    stdio: 'ignore',
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  while (!existsSync(join(base, '.s.PGSQL.6432'))) {
    if (child.exitCode !== null) throw new Error('pgbouncer did not start');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    through: (url) => url.replace(/host=.*$/, `host=${encodeURIComponent(base)}&port=6432`),
    async stop() {
      child.kill('SIGKILL');
      await exited;
      rmSync(base, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/**
 * The store, with questions about all sessions asked when every transaction of the cluster that runs now has ended: those of
 * other test files hold their answers up, as they may.
 */
export function caughtUp(store: PostgresStore): PostgresStore {
  const settled = async (): Promise<void> => {
    const now = await store.pool.get('select pg_snapshot_xmax(pg_current_snapshot())::text as x');
    const isOver = async (): Promise<boolean> => {
      const row = await store.pool.get(
        'select pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= $1::bigint as over',
        String(now?.x),
      );
      return row?.over === true;
    };
    while (!(await isOver())) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  return {
    ...store,
    readControlEvents: async (...args) => settled().then(() => store.readControlEvents(...args)),
    lastCursor: async () => settled().then(() => store.lastCursor()),
    pendingPermissions: async (...args) => settled().then(() => store.pendingPermissions(...args)),
    settledPermissions: async (...args) => settled().then(() => store.settledPermissions(...args)),
  };
}

/** Removes everything that a store has written, so that the next one on the database begins empty. */
export async function emptyDatabase(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ name: string }>(
    "select tablename as name from pg_tables where schemaname = 'public' and tablename not in ('migrations', 'cluster')",
  );
  // Without triggers: the audit log lets nothing of the last day go.
  await client.query('set session_replication_role = replica');
  await client.query(rows.map(({ name }) => `delete from ${name}`).join(';'));
  await client.end();
}
