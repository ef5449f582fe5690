/** Saved states of folders, with the real git. */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Base, type Capture, capture, restore } from './capture.ts';
import { TooLarge } from './run-git.ts';

let base: string;
let cwd: string;
let count = 0;

const env = { PATH: process.env.PATH, HOME: '/nonexistent' };
const AUTHOR = ['-c', 'user.name=a', '-c', 'user.email=a@example.com', '-c', 'commit.gpgsign=false'];

const gitIn = (folder: string, ...args: string[]): string =>
  execFileSync('git', [...AUTHOR, ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...env, GIT_CONFIG_NOSYSTEM: '1' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
const git = (...args: string[]): string => gitIn(cwd, ...args);
const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(cwd, path)), { recursive: true });
  writeFileSync(join(cwd, path), text);
};
const commit = (message: string): void => {
  git('add', '-A');
  git('commit', '-q', '-m', message);
};

const scratch = (): string => {
  const folder = join(base, `scratch-${++count}`);
  mkdirSync(folder);
  return folder;
};
const options = (limit = 2 ** 30) => ({
  cwd,
  scratch: scratch(),
  env,
  signal: AbortSignal.timeout(20_000),
  limit,
});
const save = (from?: Base & { bytes: number }, asGit = true): Promise<Capture> =>
  capture(options(), asGit, from);

/** Restores into the same path, after everything there is gone. */
const bringBack = async ({ file }: Capture, before?: Capture): Promise<string[] | undefined> => {
  rmSync(cwd, { recursive: true });
  mkdirSync(cwd);
  return restore(options(), file, before?.file);
};

/** What git and the file system say of a folder. */
const described = (): Record<string, unknown> => ({
  status: git('status', '--porcelain=v2', '--branch', '--untracked-files=all'),
  log: git('log', '--all', '--format=%H %D %s'),
  refs: git('for-each-ref', '--format=%(objectname) %(refname)'),
  reflog: git('reflog', '--format=%H %gs'),
  index: git('ls-files', '-s', '-v'),
  diff: git('diff'),
  staged: git('diff', '--cached'),
  stash: git('stash', 'list'),
  fsck: git('fsck', '--connectivity-only', '--no-dangling', '--no-progress'),
});

beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'capture-test-')));
  cwd = join(base, 'project');
  mkdirSync(cwd);
  git('init', '-q', '-b', 'main');
  write('tracked', 'one\n');
  write('folder/other', 'other\n');
  write('.gitignore', 'ignored\n');
  commit('first');
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

describe('a git folder', () => {
  test('comes back with commits, refs, index, changes and new files', async () => {
    git('tag', '-a', '-m', 'a tag', 'v1');
    git('checkout', '-q', '-b', 'side');
    write('side', 'side\n');
    commit('on the side');
    git('checkout', '-q', 'main');
    write('tracked', 'staged\n');
    git('add', 'tracked');
    write('tracked', 'staged\nand changed\n');
    write('staged only', 'x\n');
    git('add', 'staged only');
    rmSync(join(cwd, 'folder/other'));
    write('new/ä file', 'new\n');
    write('ignored', 'not saved\n');
    symlinkSync('tracked', join(cwd, 'link'));
    writeFileSync(join(cwd, 'program'), '#!/bin/sh\n');
    chmodSync(join(cwd, 'program'), 0o755);
    const before = described();
    const tips = await bringBack(await save());
    expect(described()).toEqual(before);
    expect(readFileSync(join(cwd, 'tracked'), 'utf8')).toBe('staged\nand changed\n');
    expect(readFileSync(join(cwd, 'new/ä file'), 'utf8')).toBe('new\n');
    expect(readlinkSync(join(cwd, 'link'))).toBe('tracked');
    expect(statSync(join(cwd, 'program')).mode & 0o777).toBe(0o755);
    expect([existsSync(join(cwd, 'ignored')), existsSync(join(cwd, 'folder/other'))]).toEqual([false, false]);
    expect(tips).toContain(git('rev-parse', 'main').trim());
    expect(tips).toContain(git('rev-parse', 'side').trim());
  });

  test('comes back in the middle of a merge, with stashes and commits that only the reflog has', async () => {
    write('tracked', 'stashed\n');
    git('stash');
    write('tracked', 'stashed again\n');
    git('stash');
    write('lost', 'x');
    commit('lost');
    git('reset', '-q', '--hard', 'HEAD~');
    git('checkout', '-q', '-b', 'other');
    write('tracked', 'theirs\n');
    commit('theirs');
    git('checkout', '-q', 'main');
    write('tracked', 'ours\n');
    commit('ours');
    expect(() => git('merge', 'other')).toThrow();
    const before = described();
    await bringBack(await save());
    expect(described()).toEqual(before);
    expect(readFileSync(join(cwd, 'tracked'), 'utf8')).toContain('<<<<<<< HEAD');
    expect(git('show', 'stash@{1}:tracked')).toBe('stashed\n');
    expect(git('show', 'main@{2}:lost')).toBe('x');
    write('tracked', 'merged\n');
    commit('merged');
    expect(git('log', '-1', '--format=%P').trim().split(' ')).toHaveLength(2);
  });

  test('needs only what is new beside an earlier bundle', async () => {
    writeFileSync(
      join(cwd, 'large'),
      Buffer.from(Array.from({ length: 400_000 }, (_, n) => (n * 7919 * (n % 251)) % 256)),
    );
    commit('large');
    const first = await save();
    const bytes = 10_000_000;
    write('tracked', 'two\n');
    commit('second');
    write('tracked', 'three\n');
    const before = described();
    const second = await save({ key: 'first', tips: first.tips, bytes });
    expect(second.needsBase).toBe(true);
    expect(statSync(second.file).size).toBeLessThan(statSync(first.file).size / 5);
    expect(await bringBack(second, first)).toEqual(first.tips);
    expect(described()).toEqual(before);
    // Nothing new: its bundle is empty.
    const third = await save({ key: 'first', tips: first.tips, bytes });
    await bringBack(third, first);
    expect(described()).toEqual(before);
  });

  test('needs no earlier bundle whose commits are gone', async () => {
    const made = await save({ key: 'first', tips: ['1'.repeat(40)], bytes: 1 });
    expect(made.needsBase).toBe(false);
    await bringBack(made);
    expect(git('log', '--format=%s')).toBe('first\n');
  });

  test('has a bundle that git itself can read', async () => {
    const made = await save();
    const folder = scratch();
    execFileSync('tar', ['xzf', made.file, '-C', folder]);
    expect(git('bundle', 'verify', join(folder, 'bundle/repository'))).toContain('refs/heads/main');
    gitIn(folder, 'clone', '-q', 'bundle/repository', 'copy');
    expect(readFileSync(join(folder, 'copy', 'tracked'), 'utf8')).toBe('one\n');
  });

  test('without a commit comes back', async () => {
    rmSync(join(cwd, '.git'), { recursive: true });
    git('init', '-q', '-b', 'trunk');
    git('add', 'tracked');
    const before = git('status', '--porcelain');
    await bringBack(await save());
    expect(git('status', '--porcelain')).toBe(before);
  });

  test('keeps repositories in it, and files that git is told not to look at', async () => {
    mkdirSync(join(cwd, 'inner'));
    gitIn(join(cwd, 'inner'), 'init', '-q', '-b', 'main');
    writeFileSync(join(cwd, 'inner', 'file'), 'inner\n');
    gitIn(join(cwd, 'inner'), 'add', 'file');
    gitIn(join(cwd, 'inner'), 'commit', '-q', '-m', 'inner');
    git('worktree', 'add', '-q', 'tree', '-b', 'in-tree');
    writeFileSync(join(cwd, 'tree', 'tracked'), 'in the tree\n');
    git('update-index', '--assume-unchanged', 'tracked');
    git('update-index', '--skip-worktree', 'folder/other');
    write('tracked', 'unseen\n');
    write('folder/other', 'unseen too\n');
    const before = described();
    await bringBack(await save());
    expect(described()).toEqual(before);
    expect(gitIn(join(cwd, 'inner'), 'log', '--format=%s')).toBe('inner\n');
    expect(gitIn(join(cwd, 'tree'), 'status', '--porcelain')).toBe(' M tracked\n');
    expect(readFileSync(join(cwd, 'tracked'), 'utf8')).toBe('unseen\n');
    expect(readFileSync(join(cwd, 'folder/other'), 'utf8')).toBe('unseen too\n');
  });

  test('runs nothing that it names', async () => {
    const proof = join(base, 'proof');
    const run = join(base, 'run');
    writeFileSync(
      run,
      `#!/bin/sh\necho "$0 $* $(ps -o args= -p $PPID) $GIT_CONFIG_COUNT" >> ${proof}\ncat\n`,
    );
    chmodSync(run, 0o755);
    write('.gitattributes', '* filter=evil diff=evil merge=evil\n');
    commit('attributes');
    for (const key of [
      'filter.evil.clean',
      'filter.evil.smudge',
      'core.fsmonitor',
      'diff.external',
      'core.sshCommand',
      'diff.evil.textconv',
    ])
      git('config', key, run);
    git('config', 'filter.evil.required', 'true');
    git('config', 'uploadpack.packObjectsHook', run);
    git('config', 'core.alternateRefsCommand', run);
    for (const hook of ['post-checkout', 'post-index-change', 'reference-transaction', 'fsmonitor-watchman'])
      symlinkSync(run, join(cwd, '.git', 'hooks', hook));
    writeFileSync(join(cwd, '.git', 'hooks', 'pre-auto-gc'), readFileSync(run), { mode: 0o755 });
    rmSync(proof, { force: true });
    writeFileSync(join(cwd, 'tracked'), 'changed\n');
    const made = await save();
    await bringBack(made);
    expect(existsSync(proof) ? readFileSync(proof, 'utf8') : '').toBe('');
    expect(readFileSync(join(cwd, 'tracked'), 'utf8')).toBe('changed\n');
  });

  test('writes nothing outside: not through links, nor where its configuration says', async () => {
    const outside = join(base, 'outside');
    mkdirSync(outside);
    // In the index a link that leads out; in the folder a directory with a file in it.
    symlinkSync(outside, join(cwd, 'way'));
    commit('a way out');
    rmSync(join(cwd, 'way'));
    write('way/in', 'x');
    // And the other way round.
    symlinkSync(outside, join(cwd, 'folder-link'));
    rmSync(join(cwd, 'folder'), { recursive: true });
    symlinkSync(outside, join(cwd, 'folder'));
    git('config', 'core.worktree', outside);
    rmSync(join(cwd, '.git', 'description'), { force: true });
    symlinkSync(join(outside, 'through'), join(cwd, '.git', 'description'));
    await bringBack(await save());
    expect(execFileSync('ls', ['-A', outside], { encoding: 'utf8' })).toBe('');
    expect(readFileSync(join(cwd, 'way', 'in'), 'utf8')).toBe('x');
    expect(lstatSync(join(cwd, 'folder')).isSymbolicLink()).toBe(true);
    expect(existsSync(join(cwd, '.git', 'description'))).toBe(false);
  });

  test('whose .git leads elsewhere is saved as plain files', async () => {
    const elsewhere = join(base, 'elsewhere');
    execFileSync('mv', [join(cwd, '.git'), elsewhere]);
    writeFileSync(join(cwd, '.git'), `gitdir: ${elsewhere}\n`);
    write('ignored', 'saved\n');
    const made = await save();
    expect(made.form).toBe('files');
    await bringBack(made);
    expect(readFileSync(join(cwd, 'ignored'), 'utf8')).toBe('saved\n');
    expect(readFileSync(join(cwd, '.git'), 'utf8')).toContain(elsewhere);
  });
});

test('plain files come back with links, modes and empty folders', async () => {
  mkdirSync(join(cwd, 'empty'));
  symlinkSync('/etc/passwd', join(cwd, 'link'));
  write('ignored', 'x');
  chmodSync(join(cwd, 'ignored'), 0o600);
  execFileSync('mkfifo', [join(cwd, 'pipe')]);
  await bringBack(await save(undefined, false));
  expect(lstatSync(join(cwd, 'empty')).isDirectory()).toBe(true);
  expect(readlinkSync(join(cwd, 'link'))).toBe('/etc/passwd');
  expect(statSync(join(cwd, 'ignored')).mode & 0o777).toBe(0o600);
  expect(existsSync(join(cwd, 'pipe'))).toBe(false);
  expect(git('status', '--porcelain')).toContain('link');
});

test.each([true, false])('a folder that is too large is not saved (as git: %s)', async (asGit) => {
  for (let n = 0; n < 20; n++) {
    const bytes = Buffer.alloc(10_000);
    for (let at = 0; at < bytes.length; at++) bytes[at] = Math.trunc(Math.random() * 256);
    appendFileSync(join(cwd, `large-${n}`), bytes);
  }
  await expect(capture(options(50_000), asGit, undefined)).rejects.toThrow(TooLarge);
  if (asGit) commit('large');
  await expect(capture(options(50_000), asGit, undefined)).rejects.toThrow(TooLarge);
});
