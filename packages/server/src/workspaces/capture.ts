import { lstat, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Env } from '../agent/environment.ts';
import { type Item, readArchive, type Targets, walk, writeArchive } from './archive.ts';
import { fingerprintOf } from './fingerprint.ts';
import {
  completeRepository,
  isRepository,
  openRepository,
  type Repository,
  type RepositoryState,
} from './repository.ts';

const Texts = z.array(z.string());

/** What an archive says of itself. */
const Manifest = z.discriminatedUnion('form', [
  /** Everything in the folder. */
  z.object({ format: z.literal(1), form: z.literal('files') }),
  /** A bundle, the rest of `.git`, and the files that are not as in the index. */
  z.object({
    format: z.literal(1),
    form: z.literal('git'),
    /** The commits of its bundle, and of the one that it needs. */
    tips: Texts,
    changed: Texts,
    missing: Texts,
  }),
]);

/** A bundle that later ones build upon: the key of its object, and the commits that it has. */
export interface Base {
  key: string;
  tips: string[];
}

/** A state of a folder, as one file. */
export interface Capture {
  file: string;
  form: 'git' | 'files';
  /** Whether it needs the base's bundle. */
  needsBase: boolean;
  /** The commits that it has (form git). */
  tips: string[];
  /** See `fingerprint`. */
  fingerprint: string | undefined;
}

export interface CaptureOptions {
  cwd: string;
  /** An empty folder for files that are needed meanwhile. */
  scratch: string;
  env: Env;
  signal: AbortSignal;
  /** The most bytes that the file may have. */
  limit: number;
}

/** A bundle that is larger than this part of its base is replaced by a whole one, so that a restore stays cheap. */
const LARGE_PART = 0.5;
/** Below this it does not matter. */
const SMALL_BYTES = 1024 ** 2;

type Folder = Pick<CaptureOptions, 'cwd' | 'env' | 'signal'>;

/**
 * Changes whenever something changes that `capture` saves; nothing is read that is as large as the folder.
 * @returns undefined where that cannot be told
 */
export async function fingerprint(folder: Folder, asGit: boolean): Promise<string | undefined> {
  return (await examine(folder, asGit)).fingerprint;
}

async function examine({ cwd, env, signal }: Folder, asGit: boolean) {
  if (!asGit || !(await isRepository(cwd))) {
    return {
      repository: undefined,
      state: undefined,
      fingerprint: await fingerprintOf(walk(cwd, 'work'), []),
    };
  }
  const repository = await openRepository(cwd, env, signal);
  const state = await repository.readState();
  const { index, missing } = state;
  const seen = await fingerprintOf(itemsToSee(cwd, repository, state), [index, JSON.stringify(missing)]);
  return { repository, state, fingerprint: seen };
}

/**
 * Saves the state of a folder in which nobody works.
 * @param asGit what git ignores is left out, and its objects are in a bundle
 * @param base the bundle that this one may need, and how large that one's archive is
 * @throws TooLarge
 */
export async function capture(
  options: CaptureOptions,
  asGit: boolean,
  base: (Base & { bytes: number }) | undefined,
): Promise<Capture> {
  return captureExamined(options, await examine(options, asGit), base);
}

/** The same. @param since a fingerprint @returns undefined when the folder still has it */
export async function captureChange(
  options: CaptureOptions,
  asGit: boolean,
  base: (Base & { bytes: number }) | undefined,
  since: string | undefined,
): Promise<Capture | undefined> {
  // Taken first: what changes while the folder is read makes the next one differ.
  const examined = await examine(options, asGit);
  const isSame = since !== undefined && examined.fingerprint === since;
  return isSame ? undefined : captureExamined(options, examined, base);
}

async function captureExamined(
  { cwd, scratch, signal, limit }: CaptureOptions,
  { repository, state, fingerprint }: Awaited<ReturnType<typeof examine>>,
  base: (Base & { bytes: number }) | undefined,
): Promise<Capture> {
  const file = join(scratch, 'save');
  if (!repository) {
    await writeArchive(file, { format: 1, form: 'files' }, walk(cwd, 'work'), { limit, signal });
    return { file, form: 'files', needsBase: false, tips: [], fingerprint };
  }
  const bundle = join(scratch, 'bundle');
  let needsBase = false;
  if (base) {
    // The base's commits may be gone (a gc after a reset).
    needsBase = await repository.writeBundle(bundle, base.tips, limit).then(
      async () => (await stat(bundle)).size < Math.max(SMALL_BYTES, base.bytes * LARGE_PART),
      (error: unknown) => {
        signal.throwIfAborted();
        if (base.tips.length === 0) throw error;
        return false;
      },
    );
  }
  if (!needsBase) await repository.writeBundle(bundle, [], limit);
  const { tips, changed, missing } = state;
  await writeArchive(
    file,
    { format: 1, form: 'git', tips, changed, missing },
    itemsOf(cwd, bundle, repository, state),
    { limit, signal },
  );
  return { file, form: 'git', needsBase, tips, fingerprint };
}

async function* itemsOf(
  cwd: string,
  bundle: string,
  repository: Repository,
  state: RepositoryState,
): AsyncGenerator<Item, void, void> {
  yield { name: 'bundle/repository', path: bundle };
  yield* repository.files();
  yield* workOf(cwd, state);
}

/** `git status` writes the index again without changing what it says. */
const INDEX = /^git\/(sharedindex\.[0-9a-f]+|index)$/;

async function* itemsToSee(
  cwd: string,
  repository: Repository,
  state: RepositoryState,
): AsyncGenerator<Item, void, void> {
  for await (const item of repository.files()) if (!INDEX.test(item.name)) yield item;
  yield* workOf(cwd, state);
}

async function* workOf(cwd: string, { changed, others }: RepositoryState): AsyncGenerator<Item, void, void> {
  for (const path of changed) yield { name: `work/${path}`, path: join(cwd, path) };
  for (const other of others) {
    const path = other.replace(/\/$/, '');
    const item = { name: `work/${path}`, path: join(cwd, path) };
    const info = await lstat(item.path).catch(() => undefined);
    if (!info) continue;
    yield item;
    // Another repository: as it is.
    if (info.isDirectory()) yield* walk(item.path, item.name);
  }
}

/**
 * Brings a saved state back into an empty folder.
 * @param base the archive with the bundle that this one needs
 * @returns the commits that its base has, or it has by itself; undefined for plain files
 */
export async function restore(
  { cwd, scratch, env, signal }: Omit<CaptureOptions, 'limit'>,
  file: string,
  base: string | undefined,
): Promise<string[] | undefined> {
  const [newest, oldest] = [join(scratch, 'newest'), join(scratch, 'oldest')];
  const manifest = await read(file, { work: cwd, git: join(cwd, '.git'), bundle: newest });
  if (manifest.form === 'files') return undefined;
  await completeRepository(cwd);
  const repository = await openRepository(cwd, env, signal);
  let { tips } = manifest;
  if (base !== undefined) {
    const before = await read(base, { work: null, git: null, bundle: oldest });
    if (before.form === 'git') tips = before.tips;
    await repository.addBundle(join(oldest, 'repository'));
  }
  await repository.addBundle(join(newest, 'repository'));
  await repository.checkOut(manifest);
  return tips;
}

const read = async (file: string, targets: Targets) => Manifest.parse(await readArchive(file, targets));
