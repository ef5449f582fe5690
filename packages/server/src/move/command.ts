import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Client } from 'pg';
import { configDir } from '../agent/environment.ts';
import { ConfigError, homeOf } from '../config.ts';
import { readDatabase } from '../database-config.ts';
import { messageOf } from '../errors.ts';
import { takeHome } from '../lock.ts';
import { ForeignDatabase } from '../store/migrate.ts';
import { migrate as migrateSchema } from '../store/postgres/migrate.ts';
import { createPostgresPool, type PostgresPool } from '../store/postgres/pool.ts';
import { transcriptStore } from '../store/postgres/transcripts.ts';
import { redactUrl } from '../store/redact-url.ts';
import { copyTable } from './copy.ts';
import { readMark, writeMark } from './mark.ts';
import { createProgress, type Progress } from './progress.ts';
import { databaseOf, openSource, type SourceDatabase } from './source.ts';
import { planTables, type Table } from './tables.ts';
import { analyze, begin, type Found, inspect, type Move, publish, targetColumns } from './target.ts';
import { type Conversations, compareFiles, copyFiles, type FoundFiles, findFiles } from './transcripts.ts';
import { compareTable, type Difference } from './verify.ts';

const USAGE = `Usage: claude-agent-server migrate [--from HOME] [--to URL] [--dry-run | --verify]

Moves the sessions of a home, and the agent's files of their conversations, into an empty PostgreSQL database. Stop its
server first, and run this as its user, with its HOME and CLAUDE_CONFIG_DIR. When it is interrupted, run the
same command again: it goes on where it was. The home stays as it is.

  --from HOME   the server's own folder (default: AGENT_SERVER_HOME, or ~/.claude-agent-server)
  --to URL      postgres://USER@HOST/NAME (default: AGENT_SERVER_DATABASE_URL, which hides a password from others)
  --dry-run     say what would be moved and whether it can be; change nothing
  --without-transcripts  move also when none of the agent's files are found: conversations go on from the log
  --verify      compare the home with the database again, before a server was started there

Exit codes: 0 done, 1 interrupted (run it again), 2 refused (nothing has changed), 3 the two are not the same.`;

/** What the program exits with. */
export type Code = 0 | 1 | 2 | 3;

interface Job {
  home: string;
  source: SourceDatabase;
  url: string;
  /** The database, without its password. */
  to: string;
  /** The agent's configuration folder, with the transcripts. */
  folder: string;
  say: (line: string) => void;
  progress: Progress;
}

/**
 * `migrate`: moves the sessions of a home into PostgreSQL.
 * @returns the exit code
 * @throws ConfigError with a sentence for the user, when nothing was changed
 */
export async function migrate(
  argv: string[],
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<Code> {
  const args = readArguments(argv, env);
  if (args === 'help') {
    say(USAGE);
    return 0;
  }
  const path = databaseOf(args.home);
  const home = await takeHome(args.home);
  const progress = createProgress();
  try {
    const source = openSource(path);
    try {
      const job = {
        home: args.home,
        source,
        url: args.url,
        to: redactUrl(args.url),
        folder: configDir(env),
        say,
        progress,
      };
      return await connected(job, (pool, client) => run(job, args, pool, client));
    } finally {
      source.close();
    }
  } finally {
    progress.end();
    home.release();
  }
}

type Mode = 'move' | 'dry-run' | 'verify';

interface Arguments {
  home: string;
  url: string;
  mode: Mode;
  withoutTranscripts: boolean;
}

function readArguments(argv: string[], env: NodeJS.ProcessEnv): Arguments | 'help' {
  try {
    const { values } = parseArgs({
      args: argv,
      options: {
        from: { type: 'string' },
        to: { type: 'string' },
        'dry-run': { type: 'boolean' },
        verify: { type: 'boolean' },
        'without-transcripts': { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
    if (values.help) return 'help';
    const { verify, 'dry-run': dryRun } = values;
    if (verify && dryRun) throw new Error('Give either --dry-run or --verify.');
    const url = readDatabase({
      database_url: values.to ?? (env.AGENT_SERVER_DATABASE_URL || undefined),
    })?.url;
    if (url === undefined) throw new Error('Name the database with --to or AGENT_SERVER_DATABASE_URL.');
    const from = values.from === undefined ? undefined : resolve(env.INIT_CWD ?? process.cwd(), values.from);
    return {
      home: homeOf(from, env),
      url,
      mode: dryRun ? 'dry-run' : verify ? 'verify' : 'move',
      withoutTranscripts: values['without-transcripts'] ?? false,
    };
  } catch (error) {
    throw new ConfigError(`${messageOf(error)}\n\n${USAGE}`);
  }
}

/** Runs `work` with one connection for all of it; nothing is kept on it, so it may go through a pooler. */
async function connected(
  { url, to }: Job,
  work: (pool: PostgresPool, client: Client) => Promise<Code>,
): Promise<Code> {
  // A comparison of a large session takes as long as it takes.
  const pool = createPostgresPool({ url, prepared: false, connections: 1, queryTimeoutMs: 0 });
  const client = pool.client();
  // What was under way fails by itself.
  client.on('error', () => {});
  try {
    try {
      await client.connect();
    } catch (error) {
      throw new ConfigError(`The database ${to} cannot be used: ${messageOf(error)}. Check --to.`);
    }
    return await work(pool, client);
  } finally {
    await client.end().catch(() => {});
    await pool.close();
  }
}

async function run(
  job: Job,
  { mode, withoutTranscripts }: Arguments,
  pool: PostgresPool,
  client: Client,
): Promise<Code> {
  const { home, to, say, source } = job;
  const mark = readMark(home);
  const found = await inspect(client);
  const move = found.move && found.move.move === mark?.move ? found.move : undefined;
  const ended = move?.endedAt ?? undefined;
  if (mode === 'verify') {
    if (!move)
      throw new ConfigError(`The sessions of ${home} were not moved to ${to}: there is nothing to compare.`);
    return (await verify(job, pool, client, planTables(source.db, await targetColumns(client)))) ? 0 : 3;
  }
  if (ended !== undefined) {
    say(`The sessions of ${home} were moved to ${to} on ${ended}. --verify compares them again.`);
    return 0;
  }
  refuse(job, found, move);
  const files = await findFiles(job);
  if (files.files === 0 && files.missing > 0 && !withoutTranscripts) {
    throw new ConfigError(
      `None of ${counted(files.missing, 'conversations')} has a transcript in ${job.folder}. Run this as the server's user, with its HOME and CLAUDE_CONFIG_DIR, or give --without-transcripts.`,
    );
  }
  if (mode === 'dry-run') {
    say(describe(job, found, move, files));
    return 0;
  }
  await prepareSchema(pool, to);
  const id = mark?.move ?? randomUUID();
  writeMark(home, { move: id, to, begun_at: new Date().toISOString(), ended_at: null });
  try {
    return await carryOut(job, pool, client, id, files);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    job.progress.end();
    say(`The move was interrupted: ${messageOf(error)}. Nothing is lost; run the same command again.`);
    return 1;
  }
}

/** @throws ConfigError when the database is not for these sessions */
function refuse({ to }: Job, { nodes, used, move: other }: Found, move: Move | undefined): void {
  if (nodes > 0) {
    throw new ConfigError(`Servers are running on the database ${to} (${nodes}). Stop them first.`);
  }
  if (move) return;
  if (other) {
    throw new ConfigError(
      `The sessions of another home were moved to ${to}, or are being moved. Create a database of its own for this one.`,
    );
  }
  if (used.length > 0) {
    throw new ConfigError(
      `The database ${to} has sessions of its own (${used.join(', ')}). Create an empty one, or carry single sessions over with export and import.`,
    );
  }
}

async function prepareSchema(pool: PostgresPool, to: string): Promise<void> {
  try {
    await migrateSchema(pool);
  } catch (error) {
    if (error instanceof ForeignDatabase) throw new ConfigError(error.message);
    throw new ConfigError(`The database ${to} cannot be used: ${messageOf(error)}.`);
  }
}

const ROWS = new Intl.NumberFormat('en');
const counted = (n: number, what: string): string => `${ROWS.format(n)} ${what}`;

/** What a dry run says. */
function describe(
  { home, to, source, folder }: Job,
  { empty }: Found,
  move: Move | undefined,
  files: FoundFiles,
): string {
  const count = (name: string): number =>
    Number(source.db.prepare(`select count(*) as n from ${name}`).get()?.n);
  const what = ['sessions', 'turns', 'events', 'permissions']
    .map((name) => counted(count(name), name))
    .join(', ');
  const state = move
    ? 'They are being moved: the next run goes on with that.'
    : empty
      ? 'The database is empty.'
      : 'The database has the tables and no sessions.';
  return `${home} has ${what}, and ${folder} ${counted(files.files, 'files')} of their conversations.${shortcomings(files)} ${state} They can be moved to ${to}; nothing was changed.`;
}

/** What cannot come along. */
function shortcomings({ missing, tooLarge }: FoundFiles): string {
  const gone =
    missing > 0
      ? ` Of ${counted(missing, 'conversations')} there is no transcript: they go on from the log.`
      : '';
  const large = tooLarge.length > 0 ? ` Too large to be stored: ${tooLarge.join(', ')}.` : '';
  return gone + large;
}

const conversationsOf = ({ source, folder }: Job, pool: PostgresPool): Conversations => ({
  source,
  folder,
  transcripts: transcriptStore(pool),
});

const countOf = ({ source }: Job): number => [...source.conversations()].length;

async function carryOut(
  job: Job,
  pool: PostgresPool,
  client: Client,
  id: string,
  files: FoundFiles,
): Promise<Code> {
  const { home, to, say, source, progress } = job;
  const begunAt = Date.now();
  const tables = planTables(source.db, await targetColumns(client));
  const move = await begin(client, id, tables, source.highestPlace());
  const moved = new Map<string, number>();
  for (const table of tables) {
    const before = move.copied[table.name];
    progress.begin(`copy ${table.name}`, source.count(table), before?.rows ?? 0);
    moved.set(table.name, await copyTable(source, client, table, before, progress.add));
  }
  progress.begin('store the files of conversations', countOf(job), 0);
  await copyFiles(conversationsOf(job, pool), progress.add);
  await analyze(client, tables);
  if (!(await verify(job, pool, client, tables))) return 3;
  await publish(client, source);
  writeMark(home, { move: id, to, begun_at: move.beganAt, ended_at: new Date().toISOString() });
  progress.end();
  const of = (name: string): string => counted(moved.get(name) ?? 0, name);
  const seconds = Math.ceil((Date.now() - begunAt) / 1000);
  say(
    `Moved ${home} to ${to} in ${seconds} s: ${['sessions', 'turns', 'events', 'permissions'].map(of).join(', ')}, ${counted(files.files, 'files')} of conversations. All were compared by their hashes.${shortcomings(files)}`,
  );
  say(
    `Start servers with --database-url (AGENT_SERVER_DATABASE_URL). ${home} stays as it is; a server without a database URL does not start there any more.`,
  );
  return 0;
}

/** Compares everything. Says what is not the same. */
async function verify(
  job: Job,
  pool: PostgresPool,
  client: Client,
  tables: readonly Table[],
): Promise<boolean> {
  const { home, to, say, source, progress } = job;
  const differences: Difference[] = [];
  for (const table of tables) {
    progress.begin(`compare ${table.name}`, source.count(table), 0);
    differences.push(...(await compareTable(source, client, table, progress.add)));
  }
  progress.begin('compare the files of conversations', countOf(job), 0);
  const files = await compareFiles(conversationsOf(job, pool), progress.add);
  progress.end();
  if (differences.length === 0 && files.length === 0) return true;
  say(`${home} and ${to} are not the same:`);
  for (const { table, session, source: here, target: there } of differences) {
    say(
      `  ${table}${session && ` of session ${session}`}: ${here ?? 'no'} rows in the home, ${there ?? 'no'} in the database${here === there ? ', with other content' : ''}`,
    );
  }
  for (const file of files) say(`  ${file} is not in the database as it is here`);
  say(
    'If the home was used meanwhile, create an empty database and move it again. If servers have run on the database, differences are what they did.',
  );
  return false;
}
