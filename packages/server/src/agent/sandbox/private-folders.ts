import { mkdirSync, writeFileSync } from 'node:fs';
import { cp, lstat, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isObject } from '../../is-object.ts';
import { readProc } from '../proc.ts';
import type { User } from './container-arguments.ts';
import { byTrust, isLive, liveFolder } from './live-folders.ts';
import type { Mount } from './mounts.ts';
import { giveEach, giveTo } from './tenant-users.ts';

/** Whose sandbox it is. */
export interface Stay {
  sessionId: string;
  conversationId: string;
  /** The name that the agent gives to its folder of transcripts. */
  project: string;
  /** The agent uses the user's login. */
  usesLogin: boolean;
  /** Whom the agent runs as; undefined: as the server. */
  user: User | undefined;
  /** Folders that the agent works in. */
  folders: readonly string[];
}

/** The folders that only one session sees, where its home, temporary files and configuration are. */
export interface PrivateFolders {
  /** The folder that they are in. */
  folder: string;
  mounts: readonly Mount[];
  /** Tells other programs which process has the conversation open: they do not see the agent's own entry. */
  register(pid: number): void;
  /** Puts what the agent wrote back to where it is without a sandbox. */
  leave(): Promise<void>;
}

export interface PrivateFoldersDeps {
  /** A folder of the server; each session gets one in it. */
  folder: string;
  /** The user's home. */
  home: string;
  /** The agent's configuration folder. */
  config: string;
  /** The file of the agent's state, in the home or the configuration folder. */
  stateFile: string;
  /** The user's name for commits, in the format of a git configuration. */
  gitIdentity(): Promise<string>;
}

/** What the user set for all agents: read, not changed. */
const SETTINGS = [
  'CLAUDE.md',
  'agents',
  'commands',
  'keybindings.json',
  'output-styles',
  'plugins',
  'rules',
  'settings.json',
  'skills',
];
/**
 * What the user set in the agent's file of state, and what a new one would have to find out again (12 ms of each start). The
 * rest names other folders and what was said in them.
 */
const KEPT_STATE = [
  'mcpServers',
  'oauthAccount',
  'userID',
  'machineID',
  'firstStartTime',
  'firstStartVersion',
  'migrationVersion',
  'opusProMigrationComplete',
  'hasResetAutoModeOptInForDefaultOffer',
];
const LOGIN = '.credentials.json';
/** Where the agent keeps the file versions that a rewind needs, by conversation. */
const CHECKPOINTS = 'file-history';
/** The agent's register of its processes. */
const REGISTER = 'sessions';
/** Folders of the agent with files or folders that are named after a conversation, by which it finds them again. */
const BESIDE = [CHECKPOINTS, 'tasks', 'todos', 'plans', 'session-env', 'debug'];

/**
 * Without a sandbox, a conversation's files are in `projects/<folder's name>/`, among those of other sessions in that
 * folder. While an agent runs in a sandbox they are in `projects/sandbox-<session>/`, which it sees under the usual
 * name; everybody else finds them by the conversation's id there as anywhere else, also after a crash.
 */
export async function openPrivateFolders(
  { folder, home, config, stateFile, gitIdentity }: PrivateFoldersDeps,
  { sessionId, conversationId, project, usesLogin, user, folders }: Stay,
): Promise<PrivateFolders> {
  const own = join(folder, sessionId);
  const at = { home: join(own, 'home'), tmp: join(own, 'tmp'), config: join(own, 'config') };
  const projects = join(config, 'projects');
  const live = join(projects, liveFolder(sessionId));
  const checkpoints = join(CHECKPOINTS, conversationId);
  // Notes on a project are for all of its sessions, but only those of one user.
  const memory = join(projects, project, user ? `memory-${user.uid}` : 'memory');
  await makeFolders([...Object.values(at), live, join(config, checkpoints)]);
  await bringTranscript(projects, live, conversationId);

  const state = join(
    stateFile.startsWith(`${config}/`) ? at.config : at.home,
    stateFile.split('/').at(-1) ?? '',
  );
  // The agent could have put a link there, to have another file overwritten.
  await writeFile(join(own, 'state'), await keptState(stateFile), { mode: 0o600 });
  await rename(join(own, 'state'), state);
  // Once: the agent may have set another name since.
  const git = `${await gitIdentity()}${user ? await trustedRepositories(user, folders) : ''}`;
  await writeFile(join(at.home, '.gitconfig'), git, { flag: 'wx', mode: 0o600 }).catch(ifThere);

  const bound = [checkpoints, ...(await foldersOf(config, conversationId))];
  let entry: string | undefined;
  const settings = await existing(
    SETTINGS.map((name) => join(config, name)),
    user !== undefined,
  );
  if (user) {
    for (const path of [...Object.values(at), memory]) await giveTo(user, path);
    const written = [state, join(at.home, '.gitconfig'), live, ...bound.map((name) => join(config, name))];
    for (const path of written) await giveEach(user, path);
  }
  return {
    folder: own,
    mounts: [
      { kind: 'write', path: '/tmp', source: at.tmp },
      { kind: 'write', path: '/var/tmp', source: at.tmp },
      { kind: 'write', path: home, source: at.home },
      { kind: 'write', path: config, source: at.config },
      { kind: 'write', path: join(projects, project), source: live },
      ...(await existing([memory])).map(
        (source): Mount => ({ kind: 'write', path: join(projects, project, 'memory'), source }),
      ),
      ...bound.map(
        (name): Mount => ({ kind: 'write', path: join(config, name), source: join(config, name) }),
      ),
      ...settings.map((path): Mount => ({ kind: 'read', path, source: path })),
      ...(user ? await accountsOf(own, user, home) : []),
      ...(usesLogin ? await existing([join(config, LOGIN)]) : []).map(
        (path): Mount => ({ kind: 'write', path, source: path }),
      ),
    ],
    register(pid) {
      entry = join(config, REGISTER, `${pid}.json`);
      mkdirSync(dirname(entry), { recursive: true, mode: 0o700 });
      writeFileSync(entry, JSON.stringify({ pid, sessionId: conversationId, procStart: startOf(pid) }), {
        mode: 0o600,
      });
    },
    async leave() {
      if (entry !== undefined) await rm(entry, { force: true });
      const taken = new Set([conversationId]);
      const take = (from: string, to: string): Promise<void> =>
        takeConversations(from, to, taken, (id) => isElsewhere(projects, live, id));
      // What the agent wrote under other names: another project's, and the conversation after a /clear.
      for (const name of await foldersIn(join(at.config, 'projects'))) {
        if (name !== project && !isLive(name))
          await take(join(at.config, 'projects', name), join(projects, name));
      }
      // Notes on the project, if this session is the first to make some.
      const notes = join(live, 'memory');
      if ((await isThere(notes)) && !(await isThere(memory))) await move(notes, memory);
      await take(live, join(projects, project));
      for (const name of BESIDE) {
        for (const entry of await readdir(join(at.config, name)).catch(() => [])) {
          const id = CONVERSATION.exec(entry)?.[0];
          if (id === undefined || !taken.has(id) || bound.includes(join(name, entry))) continue;
          await move(join(at.config, name, entry), join(config, name, entry));
        }
      }
    },
  };
}

/**
 * Moves the conversations of a session from a folder that its agent writes to. The agent can write anything there, under the
 * names of other sessions' conversations too: those that are elsewhere are not touched, and nothing but conversations is
 * taken, because all sessions of a project find its other files.
 * @param taken the session's conversations; those that are found to be new are added
 */
async function takeConversations(
  from: string,
  to: string,
  taken: Set<string>,
  isThereAlready: (id: string) => Promise<boolean>,
): Promise<void> {
  for (const name of await readdir(from).catch(() => [])) {
    const id = CONVERSATION.exec(name)?.[0];
    if (id === undefined || (name !== id && name !== `${id}.jsonl`)) continue;
    if (!taken.has(id) && (await isThereAlready(id))) continue;
    taken.add(id);
    await move(join(from, name), join(to, name));
  }
  await rm(from, { recursive: true, force: true });
}

/** Programs ask for the name and the home of their user (ssh and Node end without): the machine's list, with one more. */
async function accountsOf(own: string, { uid, gid }: User, home: string): Promise<Mount[]> {
  const lines = {
    passwd: `agent:x:${uid}:${gid}:agent:${home}:/bin/sh`,
    group: `agent:x:${gid}:`,
  };
  return Promise.all(
    Object.entries(lines).map(async ([name, line]): Promise<Mount> => {
      const path = join('/etc', name);
      const list = await readFile(path, 'utf8').catch(() => '');
      await writeFile(join(own, name), `${list.replace(/\n?$/, '\n')}${line}\n`, { mode: 0o644 });
      return { kind: 'read', path, source: join(own, name) };
    }),
  );
}

/**
 * Git works in no repository of another user, who could have it run programs. Those of root are the operator's: the agent
 * cannot see that they are, because its sandbox knows one user only.
 */
async function trustedRepositories({ uid }: User, folders: readonly string[]): Promise<string> {
  const found = await Promise.all(
    folders.map(async (folder) => {
      const parts = await Promise.all(
        [folder, join(folder, '.git')].map((path) => lstat(path).catch(() => undefined)),
      );
      const owners = parts.flatMap((info) => (info ? [info.uid] : []));
      return owners.includes(0) && owners.every((owner) => owner === 0 || owner === uid) ? [folder] : [];
    }),
  );
  const lines = found.flat().map((folder) => `\tdirectory = ${JSON.stringify(folder)}\n`);
  return lines.length > 0 ? `[safe]\n${lines.join('')}` : '';
}

/** Whether a conversation has a transcript in another folder than the one that the agent writes to. */
async function isElsewhere(projects: string, live: string, id: string): Promise<boolean> {
  const folders = (await foldersIn(projects)).map((name) => join(projects, name));
  const found = await existing(
    folders.filter((folder) => folder !== live).map((folder) => join(folder, `${id}.jsonl`)),
  );
  return found.length > 0;
}

/** Removes what a session had for itself. */
export const removePrivateFolders = (folder: string, sessionId: string): Promise<void> =>
  rm(join(folder, sessionId), { recursive: true, force: true });

async function makeFolders(paths: readonly string[]): Promise<void> {
  await Promise.all(paths.map((path) => mkdir(path, { recursive: true, mode: 0o700 })));
}

/** Moves a conversation's transcript, and the folder of the same name, to where only its session sees them. */
async function bringTranscript(projects: string, live: string, conversationId: string): Promise<void> {
  const folders = await foldersIn(projects);
  for (const name of [`${conversationId}.jsonl`, conversationId]) {
    const copies = await Promise.all(
      folders.map(async (folder) => {
        const info = await lstat(join(projects, folder, name)).catch(() => undefined);
        if (!info || info.isSymbolicLink()) return [];
        return [{ folder, modified: info.mtimeMs, born: info.birthtimeMs }];
      }),
    );
    const [first, ...others] = copies.flat().sort(byTrust(conversationId));
    const target = join(live, name);
    if (first && first.folder !== basename(live)) await move(join(projects, first.folder, name), target);
    for (const { folder } of others) {
      // Another session's agent wrote it under this one's name.
      if (isLive(folder)) continue;
      // Two folders become one. An older transcript that was left behind would count later.
      if (name === conversationId) await move(join(projects, folder, name), target);
      else await rm(join(projects, folder, name));
    }
  }
}

/**
 * An agent owns its home and could leave a link there where its next sandbox mounts something: the mount would be made where
 * the link leads, and with it a folder or an empty file outside.
 */
export async function clearMountPoints(mounts: readonly Mount[], user?: User): Promise<void> {
  for (const root of mounts) {
    if (root.kind !== 'write' || root.source === undefined || root.source === root.path) continue;
    for (const { path } of mounts) {
      if (!path.startsWith(`${root.path}/`)) continue;
      let at = root.source;
      const parts = path.slice(root.path.length + 1).split('/');
      for (const [index, part] of parts.entries()) {
        at = join(at, part);
        const info = await lstat(at).catch(() => undefined);
        if (info?.isSymbolicLink()) await rm(at);
        if (info?.isDirectory()) continue;
        if (!user || index === parts.length - 1) break;
        // Root would make it, and the agent could put nothing else into it.
        await rm(at, { force: true });
        await mkdir(at, { mode: 0o700 });
        await giveTo(user, at);
      }
    }
  }
}

/** Folders named after a conversation, where the agent keeps more than its transcript; the names differ by version. */
async function foldersOf(config: string, conversationId: string): Promise<string[]> {
  const names = (await foldersIn(config)).filter((name) => name !== 'projects' && name !== CHECKPOINTS);
  const found = await existing(names.map((name) => join(config, name, conversationId)));
  return found.map((path) => path.slice(config.length + 1));
}

/** Begins names such as `<uuid>.jsonl`, `<uuid>-agent-<uuid>.json`. */
const CONVERSATION = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

/** Moves all that is in a folder into another, and removes the folder. */
async function moveInto(from: string, to: string): Promise<void> {
  const names = await readdir(from).catch(() => []);
  for (const name of names) await move(join(from, name), join(to, name));
  await rm(from, { recursive: true, force: true });
}

/** Moves a file or folder; two folders become one. */
async function move(from: string, to: string): Promise<void> {
  // Only a sandbox could read through a link in the way that was meant.
  if ((await lstat(from)).isSymbolicLink()) return rm(from);
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  try {
    await rename(from, to);
  } catch (error) {
    if (!isObject(error)) throw error;
    if (error.code === 'ENOTEMPTY' || error.code === 'EEXIST') return moveInto(from, to);
    // Another file system.
    if (error.code !== 'EXDEV') throw error;
    await cp(from, to, { recursive: true, preserveTimestamps: true });
    await rm(from, { recursive: true, force: true });
  }
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** The start time of a process, by which it is told from a later one with its id. */
function startOf(pid: number): string {
  const stat = readProc(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

const READ_BY_ALL = 0o004;

const isThere = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined)) !== undefined;

/** @param toAll only those that everybody may read */
async function existing(paths: readonly string[], toAll = false): Promise<string[]> {
  const found = await Promise.all(
    paths.map(async (path) => {
      const info = await stat(path).catch(() => undefined);
      return info && (!toAll || (info.mode & READ_BY_ALL) !== 0) ? [path] : [];
    }),
  );
  return found.flat();
}

function ifThere(error: unknown): void {
  if (!isObject(error) || error.code !== 'EEXIST') throw error;
}

async function keptState(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '{}');
  try {
    const state: unknown = JSON.parse(text);
    if (!isObject(state)) return '{}';
    return JSON.stringify(
      Object.fromEntries(Object.entries(state).filter(([key]) => KEPT_STATE.includes(key))),
    );
  } catch {
    return '{}';
  }
}
