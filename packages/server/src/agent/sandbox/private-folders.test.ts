import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { byTrust } from './live-folders.ts';
import { clearMountPoints, openPrivateFolders, type PrivateFolders } from './private-folders.ts';

// What an agent can leave in the folders that it writes to, so that others read or write it for their own.

const uuid = (digit: string): string => `${digit.repeat(8)}-0000-4000-8000-000000000000`;
const [OWN, OTHER, NEW] = [uuid('a'), uuid('b'), uuid('c')];

let base: string;
let config: string;
let projects: string;
let own: PrivateFolders;
const open = (sessionId = OWN): Promise<PrivateFolders> =>
  openPrivateFolders(
    {
      folder: join(base, 'sandboxes'),
      home: join(base, 'home'),
      config,
      stateFile: join(base, 'home', '.claude.json'),
      gitIdentity: async () => '',
    },
    {
      sessionId,
      conversationId: sessionId,
      project: '-work',
      usesLogin: false,
      user: undefined,
      folders: [],
    },
  );
const write = (path: string, text: string): string => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
};
/** A path that the agent writes to, by its name in the sandbox. */
const inside = (path: string): string => {
  const [mount] = own.mounts
    .filter((each) => each.kind === 'write' && `${path}/`.startsWith(`${each.path}/`))
    .sort((a, b) => b.path.length - a.path.length);
  if (mount?.kind !== 'write' || mount.source === undefined) throw new Error(`${path} is not shown`);
  return mount.source + path.slice(mount.path.length);
};

beforeEach(async () => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'private-')));
  config = join(base, 'home', '.claude');
  projects = join(config, 'projects');
  write(join(projects, '-work', `${OTHER}.jsonl`), 'other');
  write(join(projects, '-work', `${OWN}.jsonl`), 'own');
  own = await open();
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

describe('at its end, an agent leaves', () => {
  test('its own conversation and those that it began, where everybody finds them', async () => {
    write(inside(join(projects, '-work', `${OWN}.jsonl`)), 'own, longer');
    write(inside(join(projects, '-work', OWN, 'subagents', 'one.jsonl')), 'subagent');
    write(inside(join(projects, '-work', `${NEW}.jsonl`)), 'after a clear');
    write(inside(join(config, 'tasks', NEW, '1.json')), 'task');
    write(inside(join(projects, '-elsewhere', `${OWN}.jsonl`)), 'in a worktree');
    await own.leave();
    const read = (...path: string[]): string => readFileSync(join(config, ...path), 'utf8');
    expect(read('projects', '-work', `${OWN}.jsonl`)).toBe('own, longer');
    expect(read('projects', '-work', OWN, 'subagents', 'one.jsonl')).toBe('subagent');
    expect(read('projects', '-work', `${NEW}.jsonl`)).toBe('after a clear');
    expect(read('projects', '-elsewhere', `${OWN}.jsonl`)).toBe('in a worktree');
    expect(read('tasks', NEW, '1.json')).toBe('task');
  });

  test("no conversation in another session's name, asleep or running", async () => {
    const running = uuid('d');
    write(join(projects, `sandbox-${running}`, `${running}.jsonl`), 'running');
    for (const id of [OTHER, running]) {
      write(inside(join(projects, '-work', `${id}.jsonl`)), 'forged');
      write(inside(join(projects, '-elsewhere', `${id}.jsonl`)), 'forged');
      write(inside(join(projects, `sandbox-${running}`, `${NEW}.jsonl`)), 'forged');
    }
    await own.leave();
    expect(readFileSync(join(projects, '-work', `${OTHER}.jsonl`), 'utf8')).toBe('other');
    expect(readFileSync(join(projects, `sandbox-${running}`, `${running}.jsonl`), 'utf8')).toBe('running');
    for (const path of [
      `-elsewhere/${OTHER}`,
      `-elsewhere/${running}`,
      `-work/${running}`,
      `sandbox-${running}/${NEW}`,
    ])
      expect(existsSync(join(projects, `${path}.jsonl`))).toBe(false);
  });

  test('nothing that other agents would load: skills, agents, notes on other projects', async () => {
    const planted = [
      join('skills', OWN, 'SKILL.md'),
      join('agents', `${OWN}.md`),
      join('commands', `${OWN}.md`),
      join('projects', '-elsewhere', 'memory', 'MEMORY.md'),
      join('projects', '-elsewhere', 'settings.json'),
      'settings.json',
    ];
    for (const path of planted) write(inside(join(config, path)), 'planted');
    await own.leave();
    for (const path of planted) expect(existsSync(join(config, path))).toBe(false);
  });

  test('no link in the place of its transcript', async () => {
    const path = inside(join(projects, '-work', `${OWN}.jsonl`));
    rmSync(path);
    symlinkSync(join(projects, '-work', `${OTHER}.jsonl`), path);
    await own.leave();
    expect(lstatSync(join(projects, '-work', `${OWN}.jsonl`), { throwIfNoEntry: false })).toBeUndefined();
    expect(readFileSync(join(projects, '-work', `${OTHER}.jsonl`), 'utf8')).toBe('other');
  });
});

test("a transcript that another session's agent wrote in this one's name does not become its own", async () => {
  write(inside(join(projects, '-work', `${OTHER}.jsonl`)), 'forged');
  const victim = await open(OTHER);
  expect(readFileSync(join(projects, `sandbox-${OTHER}`, `${OTHER}.jsonl`), 'utf8')).toBe('other');
  await victim.leave();
  await own.leave();
  expect(readFileSync(join(projects, '-work', `${OTHER}.jsonl`), 'utf8')).toBe('other');
});

test("the next start follows no link of the agent's: not for its state, nor to make what is mounted", async () => {
  const outside = write(join(base, 'outside', 'file'), 'outside');
  rmSync(inside(join(base, 'home', '.claude.json')));
  symlinkSync(outside, inside(join(base, 'home', '.claude.json')));
  symlinkSync(dirname(outside), inside(join(config, 'file-history')));
  await own.leave();
  own = await open();
  await clearMountPoints(own.mounts);
  expect(readFileSync(outside, 'utf8')).toBe('outside');
  expect(lstatSync(inside(join(base, 'home', '.claude.json'))).isFile()).toBe(true);
  const place = join(own.folder, 'config', 'file-history');
  expect(lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink() ?? false).toBe(false);
});

test('of copies of a conversation its own counts, then those outside of sandboxes, then the first', () => {
  const copies = [
    { folder: `sandbox-${NEW}`, modified: 9, born: 9 },
    { folder: `sandbox-${OTHER}`, modified: 8, born: 1 },
    { folder: '-old', modified: 1, born: 1 },
    { folder: '-work', modified: 2, born: 2 },
    { folder: `sandbox-${OWN}`, modified: 0, born: 0 },
  ];
  expect(copies.sort(byTrust(OWN)).map(({ folder }) => folder)).toEqual([
    `sandbox-${OWN}`,
    '-work',
    '-old',
    `sandbox-${OTHER}`,
    `sandbox-${NEW}`,
  ]);
});
