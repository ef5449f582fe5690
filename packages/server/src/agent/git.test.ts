import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createGitReader, gitWithoutPrograms } from './git.ts';

let home: string;
let env: Record<string, string>;
const read = createGitReader();
beforeAll(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), 'git-guard-')));
  env = { PATH: process.env.PATH ?? '', HOME: home };
});
afterAll(() => rmSync(home, { recursive: true }));

/** What the kept configuration gives, next to git's own. */
async function both(cwd: string): Promise<[unknown, unknown]> {
  return [await gitWithoutPrograms(cwd, env, false, read), await gitWithoutPrograms(cwd, env)];
}

describe('the configuration that is kept', () => {
  test("is git's, outside a repository, before and after each change of the user's files", async () => {
    const folder = join(home, 'plain');
    mkdirSync(folder);
    const seen = new Set<string>();
    for (const ssh of [undefined, 'first', 'second']) {
      if (ssh) writeFileSync(join(home, '.gitconfig'), `[core]\n\tsshCommand = ${ssh}\n`);
      for (let again = 0; again < 2; again++) {
        const [kept, now] = await both(folder);
        expect(kept).toEqual(now);
        seen.add(JSON.stringify(kept));
      }
    }
    expect(seen.size).toBe(3);
    mkdirSync(join(home, '.config', 'git'), { recursive: true });
    writeFileSync(join(home, '.config', 'git', 'config'), '[diff]\n\texternal = mine\n');
    const [kept, now] = await both(folder);
    expect(kept).toEqual(now);
    expect(JSON.stringify(kept)).toContain('mine');
  });

  test('is never that of a repository, in which a file may come later', async () => {
    const folder = join(home, 'repository', 'below');
    mkdirSync(folder, { recursive: true });
    await both(folder);
    execFileSync('git', ['init', '-q'], { cwd: join(home, 'repository'), env });
    const included = join(home, 'repository', 'later.cfg');
    execFileSync('git', ['config', 'include.path', included], { cwd: folder, env });
    await both(folder);
    writeFileSync(included, '[filter "evil"]\n\tsmudge = evil\n');
    const [kept, now] = await both(folder);
    expect(kept).toEqual(now);
    expect(JSON.stringify(kept)).toContain('filter.evil.smudge');
  });
});
