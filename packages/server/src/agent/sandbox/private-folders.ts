import { mkdirSync, writeFileSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isObject } from '../../is-object.ts';
import { readProc } from '../proc.ts';
import type { Mount } from './mounts.ts';

/** Whose sandbox it is. */
export interface Stay {
  sessionId: string;
  conversationId: string;
  /** The name that the agent gives to its folder of transcripts. */
  project: string;
  /** The agent uses the user's login. */
  usesLogin: boolean;
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
/** What the user set in the agent's file of state. The rest names other folders and what was said in them. */
const KEPT_STATE = ['mcpServers', 'oauthAccount', 'userID'];
const LOGIN = '.credentials.json';
/** Where the agent keeps the file versions that a rewind needs, by conversation. */
const CHECKPOINTS = 'file-history';
/** The agent's register of its processes. */
const REGISTER = 'sessions';
/** Folders of transcripts of sessions that have an agent in a sandbox; their names differ from those of all projects. */
const LIVE = 'sandbox-';

/**
 * Without a sandbox, a conversation's files are in `projects/<folder's name>/`, among those of other sessions in that
 * folder. While an agent runs in a sandbox they are in `projects/sandbox-<session>/`, which it sees under the usual
 * name; everybody else finds them by the conversation's id there as anywhere else, also after a crash.
 */
export async function openPrivateFolders(
  { folder, home, config, stateFile, gitIdentity }: PrivateFoldersDeps,
  { sessionId, conversationId, project, usesLogin }: Stay,
): Promise<PrivateFolders> {
  const own = join(folder, sessionId);
  const at = { home: join(own, 'home'), tmp: join(own, 'tmp'), config: join(own, 'config') };
  const projects = join(config, 'projects');
  const live = join(projects, `${LIVE}${sessionId}`);
  const checkpoints = join(CHECKPOINTS, conversationId);
  const memory = join(projects, project, 'memory');
  await makeFolders([...Object.values(at), live, join(config, checkpoints)]);
  await bringTranscript(projects, live, conversationId);

  const state = join(
    stateFile.startsWith(`${config}/`) ? at.config : at.home,
    stateFile.split('/').at(-1) ?? '',
  );
  await writeFile(state, await keptState(stateFile), { mode: 0o600 });
  // Once: the agent may have set another name since.
  await writeFile(join(at.home, '.gitconfig'), await gitIdentity(), { flag: 'wx', mode: 0o600 }).catch(
    ifThere,
  );

  const bound = [checkpoints, ...(await foldersOf(config, conversationId))];
  let entry: string | undefined;
  const settings = await existing(SETTINGS.map((name) => join(config, name)));
  return {
    folder: own,
    mounts: [
      { kind: 'write', path: '/tmp', source: at.tmp },
      { kind: 'write', path: '/var/tmp', source: at.tmp },
      { kind: 'write', path: home, source: at.home },
      { kind: 'write', path: config, source: at.config },
      { kind: 'write', path: join(projects, project), source: live },
      ...(await existing([memory])).map((path): Mount => ({ kind: 'write', path, source: path })),
      ...bound.map(
        (name): Mount => ({ kind: 'write', path: join(config, name), source: join(config, name) }),
      ),
      ...settings.map((path): Mount => ({ kind: 'read', path, source: path })),
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
      // What the agent wrote under other names: another project's, and the conversation after a /clear.
      for (const name of await foldersIn(join(at.config, 'projects'))) {
        if (name !== project) await moveInto(join(at.config, 'projects', name), join(projects, name));
      }
      await moveInto(live, join(projects, project));
      for (const name of await foldersIn(at.config)) {
        if (name === 'projects') continue;
        for (const entry of await readdir(join(at.config, name))) {
          const isMounted = bound.includes(join(name, entry));
          if (isConversation(entry) && !isMounted)
            await move(join(at.config, name, entry), join(config, name, entry));
        }
      }
    },
  };
}

/** Removes what a session had for itself. */
export const removePrivateFolders = (folder: string, sessionId: string): Promise<void> =>
  rm(join(folder, sessionId), { recursive: true, force: true });

async function makeFolders(paths: readonly string[]): Promise<void> {
  await Promise.all(paths.map((path) => mkdir(path, { recursive: true, mode: 0o700 })));
}

/** Moves a conversation's transcript, and the folder of the same name, to where only its session sees them. */
async function bringTranscript(projects: string, live: string, conversationId: string): Promise<void> {
  const names = [`${conversationId}.jsonl`, conversationId];
  for (const folder of await foldersIn(projects)) {
    const from = join(projects, folder);
    if (from === live) continue;
    for (const name of names) {
      if (await isThere(join(from, name))) await moveNewer(join(from, name), join(live, name));
    }
  }
}

/** A conversation that moved to another folder may have left an older transcript behind: the newest counts. */
async function moveNewer(from: string, to: string): Promise<void> {
  const [source, target] = await Promise.all([stat(from), stat(to).catch(() => undefined)]);
  if (!target || source.isDirectory() || source.mtimeMs > target.mtimeMs) await move(from, to);
}

/** Folders named after a conversation, where the agent keeps more than its transcript; the names differ by version. */
async function foldersOf(config: string, conversationId: string): Promise<string[]> {
  const names = (await foldersIn(config)).filter((name) => name !== 'projects' && name !== CHECKPOINTS);
  const found = await existing(names.map((name) => join(config, name, conversationId)));
  return found.map((path) => path.slice(config.length + 1));
}

/** `<uuid>`, `<uuid>.json`, `<uuid>-agent-<uuid>.json`. */
const isConversation = (name: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.test(name);

/** Moves all that is in a folder into another, and removes the folder. */
async function moveInto(from: string, to: string): Promise<void> {
  const names = await readdir(from).catch(() => []);
  for (const name of names) await move(join(from, name), join(to, name));
  await rm(from, { recursive: true, force: true });
}

/** Moves a file or folder; two folders become one. */
async function move(from: string, to: string): Promise<void> {
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

const isThere = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined)) !== undefined;

async function existing(paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(paths.map(async (path) => ((await isThere(path)) ? [path] : [])));
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
