/** Versions of this program from the repository's history. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const REPOSITORY = fileURLToPath(new URL('../../../../', import.meta.url));

/** Whether the history goes back to this commit: that of a shallow clone does not. */
export function hasCommit(commit: string): boolean {
  try {
    execFileSync('git', ['cat-file', '-e', `${commit}^{commit}`], { cwd: REPOSITORY, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/**
 * The program of a commit in a folder of its own. It runs with the packages that are installed now, the agent's SDK among
 * them: what differs is this repository's code.
 */
export function checkOut(commit: string): { program: string; remove(): void } {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'agent-server-old-')));
  const archive = execFileSync('git', ['archive', commit, 'package.json', 'packages'], {
    cwd: REPOSITORY,
    maxBuffer: 1 << 28,
  });
  execFileSync('tar', ['-x', '-C', folder], { input: archive });
  const installed = join(folder, 'node_modules');
  mkdirSync(installed);
  for (const name of readdirSync(join(REPOSITORY, 'node_modules')))
    if (!name.startsWith('claude-agent-'))
      symlinkSync(join(REPOSITORY, 'node_modules', name), join(installed, name));
  for (const name of readdirSync(join(folder, 'packages'))) {
    symlinkSync(join(folder, 'packages', name), join(installed, `claude-agent-${name}`));
    const own = join(REPOSITORY, 'packages', name, 'node_modules');
    symlinkSync(own, join(folder, 'packages', name, 'node_modules'));
  }
  return {
    program: join(folder, 'packages/server/src/main.ts'),
    remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }),
  };
}
