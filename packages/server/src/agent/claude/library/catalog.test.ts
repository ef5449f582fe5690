import { randomUUID } from 'node:crypto';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { TranscriptQuery } from '../../agent.ts';
import { type Catalog, openCatalog } from './catalog.ts';

let folder: string;
let projects: string;
let catalog: Catalog;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'catalog-test-'));
  projects = join(folder, 'projects');
  mkdirSync(join(projects, '-work'), { recursive: true });
  catalog = openCatalog(projects, join(folder, 'catalog.db'));
});
afterEach(() => {
  catalog.close();
  rmSync(folder, { recursive: true });
});

const user = (content: unknown, more = {}) => ({
  type: 'user',
  message: { role: 'user', content },
  cwd: '/work',
  isSidechain: false,
  ...more,
});
const jsonl = (entries: readonly unknown[]): string =>
  entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
let clock = 0;
/** Writes a transcript, each younger than the one before. */
function write(entries: readonly unknown[] | string, id: string = randomUUID(), project = '-work'): string {
  const path = join(projects, project, `${id}.jsonl`);
  mkdirSync(join(projects, project), { recursive: true });
  writeFileSync(path, typeof entries === 'string' ? entries : jsonl(entries));
  touch(path);
  return id;
}
function touch(path: string): void {
  clock += 10;
  utimesSync(path, 1_700_000_000 + clock, 1_700_000_000 + clock);
}
const list = (query: Partial<TranscriptQuery> = {}) => {
  catalog.refresh();
  return catalog.list({ roots: ['/'], without: [], limit: 100, offset: 0, ...query });
};
const idsOf = (query?: Partial<TranscriptQuery>): string[] => list(query).found.map(({ id }) => id);

test('a conversation is listed with its first prompt, whatever that begins with', () => {
  const previews = [
    ['say apple', 'say apple'],
    ['<task>\n  tidy up\n</task>', '<task> tidy up </task>'],
    [[{ type: 'image' }, { type: 'text', text: 'what is this' }], 'what is this'],
    ['<command-name>/clear</command-name><command-args></command-args>', '/clear'],
  ] as const;
  for (const [content, preview] of previews) {
    write([{ type: 'queue-operation' }, user('<local-command-caveat>', { isMeta: true }), user(content)]);
    expect(list().found[0]).toMatchObject({ preview, title: null, cwd: '/work' });
  }
  expect(list().total).toBe(previews.length);
});

test('a prompt stands before a command, and a title that a user gave before both', () => {
  const id = write([user('<command-name>/model</command-name>'), user('say apple')]);
  expect(list().found[0]?.preview).toBe('say apple');
  const path = join(projects, '-work', `${id}.jsonl`);
  appendFileSync(path, jsonl([{ type: 'ai-title', aiTitle: 'Fruit' }]));
  touch(path);
  expect(list().found[0]).toMatchObject({ preview: 'say apple', title: 'Fruit' });
  appendFileSync(path, jsonl([{ type: 'custom-title', customTitle: 'Mine' }]));
  touch(path);
  expect(list().found[0]).toMatchObject({ preview: 'Mine', title: 'Mine' });
  // Far from both ends by now.
  appendFileSync(path, jsonl([{ type: 'attachment', text: 'x'.repeat(400_000) }]));
  touch(path);
  expect(list().found[0]).toMatchObject({ title: 'Mine' });
});

test('a first prompt of half a megabyte is found', () => {
  write([user(`say ${'long '.repeat(100_000)}`)]);
  expect(list().found[0]?.preview).toMatch(/^say long long/);
});

test('a first prompt that is longer than all that is read does not hide the conversation', () => {
  const id = write([
    { isSidechain: false, type: 'user', message: { content: 'x'.repeat(2_000_000) }, cwd: '/work' },
  ]);
  expect(list().found).toMatchObject([{ id, cwd: '/work' }]);
});

test('empty files, files without a conversation and those of subagents are left out', () => {
  write('');
  write([{ type: 'queue-operation' }]);
  write([user('go', { isSidechain: true })]);
  writeFileSync(join(projects, '-work', 'agent-1234.jsonl'), jsonl([user('go')]));
  const id = write([user('say apple')]);
  expect(idsOf()).toEqual([id]);
});

test('a file that is broken, a folder with its name or an unreadable project hides no other', () => {
  const first = write([user('say apple')]);
  write('{"type":"user","message":{"content":"half');
  write('\0\0\0\n');
  mkdirSync(join(projects, '-work', `${randomUUID()}.jsonl`));
  writeFileSync(join(projects, 'a-file'), '');
  const half = write(`{broken\n${jsonl([user('say banana')])}`);
  expect(idsOf()).toEqual([half, first]);
});

test('only files that changed are read again, also after a restart and a broken catalog', () => {
  const ids = [write([user('one')]), write([user('two')])];
  expect(catalog.refresh()).toBe(2);
  expect(catalog.refresh()).toBe(0);
  catalog.close();
  catalog = openCatalog(projects, join(folder, 'catalog.db'));
  write([user('one, and more')], ids[0]);
  expect(catalog.refresh()).toBe(1);
  rmSync(join(projects, '-work', `${ids[1]}.jsonl`));
  expect(idsOf()).toEqual([ids[0]]);
  catalog.close();
  writeFileSync(join(folder, 'catalog.db'), 'no database at all');
  catalog = openCatalog(projects, join(folder, 'catalog.db'));
  expect(idsOf()).toEqual([ids[0]]);
});

test('pages follow each other, newest first, while younger ones come', () => {
  const ids = Array.from({ length: 5 }, (_, n) => write([user(`number ${n}`)])).reverse();
  const first = list({ limit: 2 });
  expect(first).toMatchObject({ total: 5 });
  write([user('a younger one')]);
  const second = list({ limit: 2, cursor: first.next ?? '' });
  const third = list({ limit: 2, cursor: second.next ?? '' });
  expect([first, second, third].flatMap(({ found }) => found.map(({ id }) => id))).toEqual(ids);
  expect(third.next).toBeNull();
  expect(idsOf({ limit: 2, offset: 1 })).toEqual(ids.slice(0, 2));
  expect(list({ cursor: 'made up' }).found).toHaveLength(6);
});

test('only what lies in the roots, in a folder, and is not left out is listed and counted', () => {
  const inside = write([user('a', { cwd: '/work/a' })]);
  const beside = write([user('b', { cwd: '/workshop' })]);
  const top = write([user('c')]);
  expect(idsOf({ roots: ['/work'] })).toEqual([top, inside]);
  expect(idsOf({ cwd: '/work/a' })).toEqual([inside]);
  expect(list({ without: [top, beside] })).toMatchObject({ total: 1, found: [{ id: inside }] });
});

test('of two files of one conversation the younger counts; each is found by its id as it is now', () => {
  const id = write([user('old')]);
  write([user('new')], id, '-elsewhere');
  expect(list()).toMatchObject({ total: 1, found: [{ id, preview: 'new' }] });
  expect(catalog.find(id)).toMatchObject({ preview: 'new', cwd: '/work' });
  expect(catalog.find(randomUUID())).toBeUndefined();
});
