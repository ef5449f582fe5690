import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findControlGroups } from './limits.ts';

// The kernel's files, as ordinary ones: which tree there is decides where groups go.

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cgroup-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('version 1: a group in the tree of each controller', () => {
  mkdirSync(join(root, 'memory', 'own'), { recursive: true });
  mkdirSync(join(root, 'cpu,pids'), { recursive: true });
  const groups = findControlGroups(root, '3:memory:/own\n2:cpu,pids:/\n0::/\n');
  expect(groups.limits).toEqual({ memory: true, processes: true });
  const { joins } = groups.open('one', { memoryBytes: 5, processes: 7 });
  expect(joins).toEqual([join(root, 'memory/own/one/cgroup.procs'), join(root, 'cpu,pids/one/cgroup.procs')]);
  expect(readFileSync(join(root, 'memory/own/one/memory.limit_in_bytes'), 'utf8')).toBe('5');
  expect(readFileSync(join(root, 'cpu,pids/one/pids.max'), 'utf8')).toBe('7');
});

test("version 2: one group, beside the server's own, where the one above shares its controllers", () => {
  mkdirSync(join(root, 'service', 'server'), { recursive: true });
  writeFileSync(join(root, 'service', 'cgroup.subtree_control'), 'cpu memory pids\n');
  const groups = findControlGroups(root, '0::/service/server\n');
  expect(groups.limits).toEqual({ memory: true, processes: true });
  const { joins } = groups.open('one', { memoryBytes: 5, processes: 7 });
  expect(joins).toEqual([join(root, 'service/one/cgroup.procs')]);
  expect(readFileSync(join(root, 'service/one/memory.max'), 'utf8')).toBe('5');
});

test('without a place for groups there are none', () => {
  mkdirSync(join(root, 'service'));
  const groups = findControlGroups(root, '0::/service\n');
  expect(groups.limits).toEqual({ memory: false, processes: false });
  expect(groups.open('one', { memoryBytes: 5, processes: 7 }).joins).toEqual([]);
  expect(existsSync(join(root, 'service', 'one'))).toBe(false);
});
