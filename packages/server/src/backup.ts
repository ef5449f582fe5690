import { closeSync, copyFileSync, existsSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { backup as copyDatabase, DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { addConversationFile, type ListedFile, listConversation, readListed } from './agent/claude/files.ts';
import { configDir } from './agent/environment.ts';
import { ConfigError, homeOf } from './config.ts';
import { messageOf } from './errors.ts';
import { takeHome } from './lock.ts';
import { ForeignDatabase, migrate } from './store/migrate.ts';

type Env = NodeJS.ProcessEnv;

/** All pages in one step: with a pause in between, each write of the server would make the copy begin again. */
const ALL_PAGES = 2 ** 31 - 1;

/** What may stand in a home before a restore: the configuration is the user's. */
const OWN_FILES = new Set(['config.json']);

const FILES_TABLE = `create table backup_files (
  conversation_id text not null, cwd text not null, path text not null, text text not null
) strict`;

/**
 * `backup FILE`: copies the database of a home into one file, with the transcripts that its sessions need. The server
 * may run meanwhile: the copy is the database at one moment.
 * @returns what was done, as a sentence
 * @throws ConfigError with a sentence for the user
 */
export async function backup(argv: string[], env: Env): Promise<string> {
  const { file, home } = readArguments('backup', argv, env);
  const source = join(home, 'server.db');
  if (env.AGENT_SERVER_DATABASE_URL) {
    throw new ConfigError(
      'Your sessions are in PostgreSQL (AGENT_SERVER_DATABASE_URL). Save them with pg_dump, or with the backups of your database service.',
    );
  }
  if (!existsSync(source)) {
    throw new ConfigError(
      `There is no database in ${home}. Name the server's own folder with --home. Sessions in PostgreSQL (--database-url) are saved with pg_dump.`,
    );
  }
  if (existsSync(file)) throw new ConfigError(`${file} exists already. Choose another name, or remove it.`);
  const partial = `${file}.partial`;
  try {
    rmSync(partial, { force: true });
    closeSync(openSync(partial, 'wx', 0o600));
    const count = await copyHome(source, partial, join(configDir(env), 'projects'));
    renameSync(partial, file);
    return `Saved ${home} to ${file}, with ${count} files of conversations.`;
  } catch (error) {
    rmSync(partial, { force: true });
    throw new ConfigError(`The backup failed: ${messageOf(error)}.`);
  }
}

async function copyHome(source: string, target: string, projects: string): Promise<number> {
  const live = new DatabaseSync(source, { readOnly: true });
  // Listed before the copy and read up to that size: a transcript never knows more than the database.
  const listed: (ListedFile & { cwd: string })[] = [];
  try {
    const conversations = live
      .prepare('select c.id, s.cwd from conversations c join sessions s on s.id = c.session_id')
      .all();
    for (const { id, cwd } of conversations) {
      const files = await listConversation(projects, String(id));
      listed.push(...files.map((file) => ({ ...file, cwd: String(cwd) })));
    }
    await copyDatabase(live, target, { rate: ALL_PAGES });
  } finally {
    live.close();
  }
  const copy = new DatabaseSync(target);
  try {
    copy.exec(`pragma journal_mode = delete; begin; ${FILES_TABLE}`);
    const insert = copy.prepare('insert into backup_files values (?, ?, ?, ?)');
    for (const file of listed) {
      insert.run(file.conversationId, file.cwd, file.path, await readListed(file));
    }
    copy.exec('commit');
  } finally {
    copy.close();
  }
  return listed.length;
}

/**
 * `restore FILE`: puts a backup into an empty home. Transcripts that exist stay as they are.
 * @returns what was done, as a sentence
 * @throws ConfigError with a sentence for the user
 */
export async function restore(argv: string[], env: Env): Promise<string> {
  const { file, home } = readArguments('restore', argv, env);
  if (!existsSync(file)) throw new ConfigError(`There is no file ${file}.`);
  const found = existsSync(home) ? readdirSync(home).filter((name) => !OWN_FILES.has(name)) : [];
  // A running server is the better reason.
  if (found.includes('lock.db')) (await takeHome(home)).release();
  if (found.length > 0) {
    throw new ConfigError(
      `The home folder ${home} is not empty. Restore into an empty folder with --home, or move it away.`,
    );
  }
  const taken = await takeHome(home);
  const partial = join(home, 'server.db.partial');
  try {
    copyFileSync(file, partial);
    const count = await unpack(partial, join(configDir(env), 'projects'));
    renameSync(partial, taken.file('server.db'));
    return `Restored ${file} to ${home}, with ${count} files of conversations. Start the server with --home ${home}.`;
  } catch (error) {
    rmSync(partial, { force: true });
    if (error instanceof ConfigError) throw error;
    if (error instanceof ForeignDatabase) throw new ConfigError(`${file}: ${error.message}`);
    throw new ConfigError(`The backup ${file} cannot be restored: ${messageOf(error)}.`);
  } finally {
    taken.release();
    // So that the next try finds an empty home.
    if (!existsSync(join(home, 'server.db'))) {
      for (const name of readdirSync(home)) if (!OWN_FILES.has(name)) rmSync(join(home, name));
    }
  }
}

async function unpack(database: string, projects: string): Promise<number> {
  const db = new DatabaseSync(database);
  try {
    if (!db.prepare("select 1 from sqlite_schema where name = 'backup_files'").get()) {
      throw new ConfigError('This file is not a backup: "claude-agent-server backup FILE" makes one.');
    }
    migrate(db);
    let count = 0;
    for (const row of db.prepare('select * from backup_files').iterate()) {
      const file = { path: String(row.path), text: String(row.text) };
      await addConversationFile(projects, String(row.cwd), file);
      count++;
    }
    db.exec('drop table backup_files; vacuum');
    return count;
  } finally {
    db.close();
  }
}

function readArguments(command: string, argv: string[], env: Env): { file: string; home: string } {
  const usage = `Usage: claude-agent-server ${command} FILE [--home DIR]`;
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      options: { home: { type: 'string' } },
      allowPositionals: true,
    });
    const [file, ...more] = positionals;
    if (file === undefined || more.length > 0) throw new Error('Name one file.');
    return { file: resolve(env.INIT_CWD ?? process.cwd(), file), home: homeOf(values.home, env) };
  } catch (error) {
    throw new ConfigError(`${messageOf(error)}\n\n${usage}`);
  }
}
