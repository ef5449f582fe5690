import { execFile } from 'node:child_process';
import { lstatSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Reading a configuration takes about 3 ms; a git that hangs on a dead network mount must not hold up a session. */
const PATIENCE_MS = 5_000;

/**
 * Keys with which a repository's configuration makes git run a program, and the values that replace them. The
 * agent runs `git status`, `git diff`, `git log` and `git ls-remote` without asking (measured on 2.1.330), and
 * disables such keys only for its internal git commands.
 */
const PROGRAMS: readonly (readonly [RegExp, string])[] = [
  [/^core\.fsmonitor$/, 'false'],
  [/^core\.hookspath$/, '/dev/null'],
  [/^core\.sshcommand$/, 'ssh'],
  [/^core\.(askpass|editor|alternaterefscommand)$|^sequence\.editor$/, 'true'],
  [/^diff\.external$|^diff\..+\.command$/, ''],
  [/^diff\..+\.textconv$|^interactive\.difffilter$/, 'cat'],
  [/^filter\..+\.(clean|smudge|process)$/, ''],
  [/^filter\..+\.required$/, 'false'],
  [/^merge\..+\.driver$|^hook\..+\.command$|^trailer\..+\.(cmd|command)$/, 'false'],
  [/^gpg\.program$|^gpg\.openpgp\.program$/, 'gpg'],
  [/^gpg\.x509\.program$/, 'gpgsm'],
  [/^gpg\.ssh\.program$/, 'ssh-keygen'],
  [/^credential\.(.+\.)?helper$/, ''],
];

/** Set in any case: hooks need no key, and folders below may be repositories too. */
const ALWAYS = ['core.fsmonitor', 'core.hookspath', 'core.sshcommand', 'diff.external', 'gpg.program'];

/** The other end of a local remote. Git uses the first of several values, so a repository cannot append its own. */
const OTHER_END = /^remote\..+\.(uploadpack|receivepack)$/;

interface Entry {
  scope: string;
  /** `file:` and a path, mostly. */
  origin: string;
  key: string;
  value: string;
}

/**
 * Environment variables that keep git from running programs named by the repository around a folder, in its
 * configuration or as hooks. The user's own configuration still applies.
 * @param isRepository the folder is known to be one; @throws when its configuration cannot be read
 */
export async function gitWithoutPrograms(
  cwd: string,
  env: Readonly<Record<string, string>>,
  isRepository = false,
  read: ReadGit = readConfiguration,
): Promise<Record<string, string>> {
  const entries = await read(cwd, env).catch((error: unknown) => {
    // Empty without git, or outside a repository.
    if (isRepository) throw error;
    return [];
  });
  const ofRepository = entries.filter(({ scope }) => scope === 'local' || scope === 'worktree');
  const named = ofRepository.map(({ key }) => key).filter((key) => substitute(key) !== undefined);
  const pairs = [...new Set([...ALWAYS, ...named])].flatMap((key) => {
    const own = entries.filter((entry) => entry.key === key && !ofRepository.includes(entry));
    const values = own.map(({ value }) => value);
    // An empty value resets the list of helpers; the user's follow.
    if (key.startsWith('credential.')) return ['', ...values].map((value) => [key, value] as const);
    return [[key, values.at(-1) ?? substitute(key) ?? ''] as const];
  });

  const protocols = ['http', 'https', 'ssh', 'git'];
  if (!ofRepository.some(({ key }) => OTHER_END.test(key))) protocols.push('file');

  const before = Number(env.GIT_CONFIG_COUNT ?? 0);
  const variables: Record<string, string> = {
    GIT_CONFIG_COUNT: String(before + pairs.length),
    // A remote can be a command (ext::), or need its own helper.
    GIT_ALLOW_PROTOCOL: env.GIT_ALLOW_PROTOCOL ?? protocols.join(':'),
    // Git uses the first entry of core.gitProxy, so a repository cannot append its own.
    GIT_PROXY_COMMAND: env.GIT_PROXY_COMMAND ?? '',
  };
  for (const [index, [key, value]] of pairs.entries()) {
    variables[`GIT_CONFIG_KEY_${before + index}`] = key;
    variables[`GIT_CONFIG_VALUE_${before + index}`] = value;
  }
  return variables;
}

const substitute = (key: string): string | undefined => PROGRAMS.find(([fits]) => fits.test(key))?.[1];

/** Reads the configuration that applies in a folder. */
export type ReadGit = (cwd: string, env: Readonly<Record<string, string>>) => Promise<readonly Entry[]>;

/**
 * A reader that runs git (7 ms) only in repositories. Elsewhere the user's and the system's configuration applies, which
 * is read again when one of its files has changed. A repository's is never kept: it can include files that come later.
 */
export function createGitReader(): ReadGit {
  let kept: { key: string; files: string[]; state: string; entries: readonly Entry[] } | undefined;
  return async (cwd, env) => {
    const isPlain = !Object.keys(env).some((name) => name.startsWith('GIT_'));
    if (!isPlain || isInRepository(cwd)) return readConfiguration(cwd, env);
    const { PATH, HOME = '', XDG_CONFIG_HOME } = env;
    const key = JSON.stringify([PATH, HOME, XDG_CONFIG_HOME]);
    if (kept?.key === key && kept.state === stateOf(kept.files)) return kept.entries;
    const own = [join(HOME, '.gitconfig'), join(XDG_CONFIG_HOME || join(HOME, '.config'), 'git', 'config')];
    // Those that do not exist may come.
    const before = stateOf(['/etc/gitconfig', ...own]);
    const entries = await readConfiguration(cwd, env);
    const named = entries.flatMap(({ origin }) => (origin.startsWith('file:') ? [origin.slice(5)] : []));
    const included = entries.some(({ key: name }) => name.startsWith('include'));
    const files = [...new Set(['/etc/gitconfig', ...own, ...named])];
    const isSteady = before === stateOf(['/etc/gitconfig', ...own]);
    kept = isSteady && !included ? { key, files, state: stateOf(files), entries } : undefined;
    return entries;
  };
}

/** Whether git could see a repository here: more often than it does, never less. */
function isInRepository(cwd: string): boolean {
  try {
    for (let folder = cwd; ; folder = dirname(folder)) {
      const marks = ['.git', 'HEAD'].map((name) => lstatSync(join(folder, name), { throwIfNoEntry: false }));
      if (marks.some((mark) => mark !== undefined)) return true;
      if (folder === dirname(folder)) return false;
    }
  } catch {
    return true;
  }
}

/** Differs when one of the files was written, replaced, removed or made. */
const stateOf = (files: readonly string[]): string =>
  files
    .map((file) => {
      const stat = statSync(file, { throwIfNoEntry: false, bigint: true });
      return stat && [stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(' ');
    })
    .join();

/**
 * Reading runs no program. Git does not read the configuration of a repository that belongs to another user unless it is told
 * to, and the agent may be that user.
 */
async function readConfiguration(cwd: string, env: Readonly<Record<string, string>>): Promise<Entry[]> {
  const options = { cwd, env, timeout: PATIENCE_MS, maxBuffer: 16 * 1024 * 1024 };
  const { stdout } = await run(
    'git',
    ['-c', 'safe.directory=*', 'config', '--list', '--includes', '--show-scope', '--show-origin', '-z'],
    options,
  );
  const parts = stdout.split('\0');
  const entries: Entry[] = [];
  for (let i = 0; i + 2 < parts.length; i += 3) {
    const [scope = '', origin = '', line = ''] = parts.slice(i, i + 3);
    const [key = '', ...value] = line.split('\n');
    entries.push({ scope, origin, key, value: value.join('\n') });
  }
  return entries;
}
