import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Env } from '../agent/environment.ts';
import { git, gitEnvironment, guardedGit, TooLarge } from './run-git.ts';
import type { Repository } from './source.ts';

/** Git has no limit for a clone, so its growing pack is looked at. */
const LOOK_EVERY_MS = 500;

export interface CloneOptions {
  repository: Repository;
  /** Does not exist yet. */
  cwd: string;
  env: Env;
  signal: AbortSignal;
  /** The most bytes that its objects may take. */
  limit: number;
}

/**
 * Clones a repository and checks out its ref. Nothing that it brings runs, and no submodule is fetched.
 * @throws TooLarge, or Error with git's words
 */
export async function clone({ repository, cwd, env, signal, limit }: CloneOptions): Promise<void> {
  const { url, protocol, authorization, ref } = repository;
  const remote = gitEnvironment(env, protocol, {
    ...(authorization && { [`http.${url}.extraHeader`]: authorization }),
  });
  const tooLarge = new AbortController();
  const either = AbortSignal.any([signal, tooLarge.signal]);
  const look = setInterval(() => {
    bytesOfPacks(join(cwd, '.git')).then(
      (bytes) => bytes > limit && tooLarge.abort(new TooLarge(`more than ${limit} bytes`)),
      () => {},
    );
  }, LOOK_EVERY_MS);
  try {
    await git(
      [
        'clone',
        '-q',
        '--no-checkout',
        '--no-recurse-submodules',
        '--template=',
        '--origin',
        'origin',
        '--',
        url,
        cwd,
      ],
      { cwd: '/', env: remote, signal: either },
    );
    if (ref !== undefined && /^[0-9a-f]{40,64}$/.test(ref) && !(await has(cwd, env, signal, ref))) {
      // A commit that no branch has any more; not every server gives it.
      await git(['fetch', '-q', '--no-recurse-submodules', 'origin', ref], {
        cwd,
        env: remote,
        signal: either,
      });
    }
  } finally {
    clearInterval(look);
  }
  await checkOut(cwd, env, signal, ref);
}

async function checkOut(cwd: string, env: Env, signal: AbortSignal, ref: string | undefined): Promise<void> {
  const options = { cwd, env: await guardedGit(cwd, env, signal), signal };
  const exists = (name: string): Promise<boolean> => has(cwd, env, signal, name);
  if (ref === undefined) {
    // A repository without a commit has nothing to check out.
    if (await exists('HEAD')) await git(['reset', '-q', '--hard'], options);
    return;
  }
  if (await exists(`refs/remotes/origin/${ref}`)) {
    await git(['checkout', '-q', '-B', ref, '--track', `refs/remotes/origin/${ref}`], options);
    return;
  }
  const names = [
    `refs/tags/${ref}`,
    ...(ref.startsWith('refs/') || /^[0-9a-f]{4,64}$/.test(ref) ? [ref] : []),
  ];
  for (const name of names) {
    if (!(await exists(name))) continue;
    await git(['checkout', '-q', '--detach', name], options);
    return;
  }
  throw new Error(`The repository has no branch, tag or commit "${ref}".`);
}

async function has(cwd: string, env: Env, signal: AbortSignal, name: string): Promise<boolean> {
  const options = { cwd, env: await guardedGit(cwd, env, signal), signal };
  return git(['rev-parse', '-q', '--verify', '--end-of-options', `${name}^{commit}`], options).then(
    () => true,
    () => {
      signal.throwIfAborted();
      return false;
    },
  );
}

async function bytesOfPacks(dir: string): Promise<number> {
  const folder = join(dir, 'objects', 'pack');
  const sizes = await Promise.all(
    (await readdir(folder)).map(async (name) => (await lstat(join(folder, name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
