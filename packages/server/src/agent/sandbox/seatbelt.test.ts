import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { moveInto } from './seatbelt-engine.ts';
import { seatbeltProfile } from './seatbelt-profile.ts';

// The text of the profile only: it was never run on a Mac.

let base: string;
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'seatbelt-')));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

test('a profile denies what it does not name, and its last rule hides what the server keeps', () => {
  const lines = seatbeltProfile([
    { kind: 'hide', path: '/work/server' },
    { kind: 'work', path: '/work' },
    { kind: 'read', path: '/Users/a/tools' },
    { kind: 'hide', path: '/elsewhere' },
  ]).split('\n');
  expect(lines.slice(0, 2)).toEqual(['(version 1)', '(deny default)']);
  expect(lines.slice(-3)).toEqual([
    '(allow file-read* file-write* (subpath "/work"))',
    '(deny file-read* file-write* (subpath "/work/server"))',
    '(allow file-read* (subpath "/Users/a/tools"))',
  ]);
  expect(lines.join('\n')).not.toMatch(/\(allow file-write\* *\)|\(allow default\)|"\/Users"/);
});

test('a path cannot end its rule', () => {
  expect(seatbeltProfile([{ kind: 'work', path: '/a") (allow file-write* (subpath "/\\' }])).toContain(
    '(subpath "/a\\") (allow file-write* (subpath \\"/\\\\"))',
  );
});

test('brackets are balanced', () => {
  const text = seatbeltProfile([{ kind: 'work', path: '/work' }]).replaceAll(/"(?:[^"\\]|\\.)*"/g, '');
  expect(text.split('(').length).toBe(text.split(')').length);
});

test('an agent finds its own folders by variables, and what belongs in them by links', () => {
  const at = (name: string): string => join(base, name);
  for (const name of ['home', 'config', 'tmp', 'live']) mkdirSync(at(name));
  writeFileSync(at('settings.json'), 'of the user');
  const { real, variables } = moveInto({ home: '/Users/a', config: '/Users/a/.claude' }, [
    { kind: 'write', path: '/tmp', source: at('tmp') },
    { kind: 'write', path: '/Users/a', source: at('home') },
    { kind: 'write', path: '/Users/a/.claude', source: at('config') },
    { kind: 'write', path: '/Users/a/.claude/projects/-work', source: at('live') },
    { kind: 'read', path: '/Users/a/.claude/settings.json', source: at('settings.json') },
  ]);
  expect(variables).toEqual({ HOME: at('home'), CLAUDE_CONFIG_DIR: at('config'), TMPDIR: at('tmp') });
  expect(readFileSync(join(at('config'), 'settings.json'), 'utf8')).toBe('of the user');
  expect(realpathSync(join(at('config'), 'projects', '-work'))).toBe(at('live'));
  expect(real.map(({ path }) => path)).toEqual(['tmp', 'home', 'config', 'live', 'settings.json'].map(at));
});
