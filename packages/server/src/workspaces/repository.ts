import { lstat, mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Env } from '../agent/environment.ts';
import { type Item, walk } from './archive.ts';
import { git, gitToFile, guardedGit, type RunGit } from './run-git.ts';

/** Small files of `.git` that name what an operation in progress needs (MERGE_HEAD, rebase-merge/onto, …). */
const IN_PROGRESS = /(^|_)HEAD$|^AUTO_MERGE$/;
const IN_PROGRESS_FOLDERS = ['rebase-merge', 'rebase-apply', 'sequencer'];
const SMALL = 64 * 1024;
const OBJECT_ID = /\b[0-9a-f]{40}(?:[0-9a-f]{24})?\b/g;
const SUBMODULE = '160000';

/** What is saved of a repository besides its objects. */
export interface RepositoryState {
  /** Commits and others that the bundle makes reachable: a later bundle leaves out what they have. */
  tips: string[];
  /** Tracked files that are not as the index has them: they are saved. */
  changed: string[];
  /** Tracked files that are gone. */
  missing: string[];
  /** Files that git would add, and repositories in the folder (with a slash at the end). */
  others: string[];
  /** Everything that the index says. */
  index: string;
}

/** A repository whose `.git` is a folder of its own; anything else is saved as plain files. */
export async function isRepository(cwd: string): Promise<boolean> {
  const look = (...names: string[]) => lstat(join(cwd, '.git', ...names)).catch(() => undefined);
  const [dir, head, elsewhere] = [await look(), await look('HEAD'), await look('commondir')];
  return dir?.isDirectory() === true && head?.isFile() === true && elsewhere === undefined;
}

/** The repository of a workspace while nobody works in it. */
export interface Repository {
  /**
   * Writes a bundle of everything that refs, reflogs, indexes and operations in progress need.
   * @param without the tips of an earlier bundle, whose objects are left out
   * @throws TooLarge
   */
  writeBundle(file: string, without: readonly string[], limit: number): Promise<void>;
  readState(): Promise<RepositoryState>;
  /** Files of `.git` to save: all but the objects, and no links (git would write through them). */
  files(): AsyncGenerator<Item, void, void>;
  /** Takes in the objects of a bundle. */
  addBundle(file: string): Promise<void>;
  /** Writes the tracked files that were as in the index. */
  checkOut(state: Pick<RepositoryState, 'changed' | 'missing'>): Promise<void>;
}

/** Without these git does not take a folder for a repository. */
export async function completeRepository(cwd: string): Promise<void> {
  await mkdir(join(cwd, '.git', 'objects', 'pack'), { recursive: true });
  await mkdir(join(cwd, '.git', 'refs'), { recursive: true });
}

export async function openRepository(cwd: string, env: Env, signal: AbortSignal): Promise<Repository> {
  const options: RunGit = { cwd, env: await guardedGit(cwd, env, signal), signal };
  const dir = join(cwd, '.git');
  const text = async (args: readonly string[], input?: string): Promise<string> =>
    decode(await git(args, { ...options, input }));

  const refs = async (): Promise<string[]> =>
    lines(await text(['for-each-ref', '--format=%(objectname) %(refname)']));
  const head = async (): Promise<string | undefined> =>
    lines(await text(['rev-parse', '--revs-only', '--quiet', 'HEAD']))[0];

  /** Ids in the files of an operation in progress, as far as there are such objects. */
  const inProgress = async (): Promise<string[]> => {
    const ids = new Set<string>();
    for (const file of await filesInProgress(dir)) {
      const info = await lstat(file);
      if (!info.isFile() || info.size > SMALL) continue;
      for (const [id] of (await readFile(file, 'latin1')).matchAll(OBJECT_ID)) ids.add(id);
    }
    if (ids.size === 0) return [];
    const found = lines(await text(['cat-file', '--batch-check'], `${[...ids].join('\n')}\n`));
    return found.filter((line) => !line.endsWith(' missing')).map((line) => line.split(' ')[0] ?? '');
  };

  const readIndex = (): Promise<string> => text(['ls-files', '-z', '-s', '-v']);

  /** Each entry of the index: a letter, mode, object, stage and path. */
  const entriesOf = (index: string) =>
    records(index).map((record) => {
      const [, tag = '', mode = '', stage = '', path = ''] =
        /^(\S) (\d+) [0-9a-f]+ (\d)\t(.*)$/s.exec(record) ?? [];
      return { tag, mode, stage, path };
    });

  return {
    async writeBundle(file, without, limit) {
      const [all, at, more] = [await refs(), await head(), await inProgress()];
      const format = (await text(['rev-parse', '--show-object-format'])).trim();
      await writeFile(
        file,
        [
          ...(format === 'sha1' ? ['# v2 git bundle'] : ['# v3 git bundle', `@object-format=${format}`]),
          ...without.map((id) => `-${id} `),
          ...(at === undefined ? [] : [`${at} HEAD`]),
          ...all,
          '\n',
        ].join('\n'),
        { mode: 0o600 },
      );
      const revisions = [...more, ...(at === undefined ? [] : [at]), ...without.map((id) => `^${id}`)];
      await gitToFile(
        [
          'pack-objects',
          '-q',
          '--stdout',
          '--delta-base-offset',
          // Without all three, --indexed-objects carries files again that the earlier bundle has: 1.1 MB instead of 0.04
          // for a line in this repository.
          '--thin',
          '--shallow',
          '--no-sparse',
          '--revs',
          '--all',
          '--reflog',
          '--indexed-objects',
        ],
        { ...options, input: `${revisions.join('\n')}\n` },
        file,
        limit,
      );
    },

    async readState() {
      const index = await readIndex();
      const entries = entriesOf(index);
      const changed = new Set(records(await text(['ls-files', '-z', '-m'])));
      const others = records(await text(['ls-files', '-z', '-o', '--exclude-standard']));
      for (const { tag, mode, stage, path } of entries) {
        // Git does not look at files that it assumes to be unchanged, or leaves out (lower case, S).
        if (stage !== '0' || tag === 'S' || tag !== tag.toUpperCase()) changed.add(path);
        if (mode !== SUBMODULE) continue;
        changed.delete(path);
        others.push(`${path}/`);
      }
      const state: RepositoryState = { tips: [], changed: [], missing: [], others, index };
      for (const path of changed) {
        const info = await lstat(join(cwd, path)).catch(() => undefined);
        // A folder in a file's place: what is in it is among the others.
        (info && !info.isDirectory() ? state.changed : state.missing).push(path);
      }
      const ids = [...(await refs()).map((line) => line.split(' ')[0] ?? ''), (await head()) ?? ''];
      state.tips = [...new Set([...ids, ...(await inProgress())])].filter((id) => id !== '');
      return state;
    },

    async *files() {
      const top = new Set(
        ['objects', 'fsmonitor--daemon', 'fsmonitor--daemon.ipc'].map((name) => join(dir, name)),
      );
      for await (const item of walk(dir, 'git', (path) => top.has(path) || path.endsWith('.lock'))) {
        const info = await lstat(item.path);
        if (info.isFile() || info.isDirectory()) yield item;
      }
    },

    async addBundle(file) {
      const pack = await packOf(file);
      await git(['index-pack', '--fix-thin', '--stdin'], { ...options, input: pack });
    },

    async checkOut({ changed, missing }) {
      const saved = new Set([...changed, ...missing]);
      const wanted = entriesOf(await readIndex()).filter(
        ({ tag, mode, stage, path }) =>
          stage === '0' && mode !== SUBMODULE && tag !== 'S' && !saved.has(path),
      );
      const paths = wanted.map(({ path }) => `${path}\0`).join('');
      await git(['checkout-index', '-q', '-u', '-z', '--stdin'], { ...options, input: paths });
    },
  };
}

/** The pack of a bundle: what follows its header, which ends with an empty line. */
async function packOf(file: string): Promise<NodeJS.ReadableStream> {
  const handle = await open(file);
  let header = Buffer.alloc(0);
  for (;;) {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(SMALL), 0, SMALL, header.length);
    header = Buffer.concat([header, buffer.subarray(0, bytesRead)]);
    const end = header.indexOf('\n\n');
    if (end >= 0) return handle.createReadStream({ start: end + 2 });
    if (bytesRead > 0) continue;
    await handle.close();
    throw new Error('The bundle has no end of its header.');
  }
}

async function filesInProgress(dir: string): Promise<string[]> {
  const files = (await readdir(dir)).filter((name) => IN_PROGRESS.test(name)).map((name) => join(dir, name));
  for (const name of IN_PROGRESS_FOLDERS) {
    const folder = join(dir, name);
    const info = await lstat(folder).catch(() => undefined);
    if (info?.isDirectory()) files.push(...(await readdir(folder)).map((each) => join(folder, each)));
  }
  return files;
}

const decode = (bytes: Buffer): string => {
  const text = bytes.toString('utf8');
  if (!Buffer.from(text).equals(bytes)) {
    throw new Error('A file in the folder has a name that is not UTF-8. Rename it.');
  }
  return text;
};

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
const records = (text: string): string[] => text.split('\0').filter((record) => record !== '');
