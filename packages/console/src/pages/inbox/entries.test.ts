import type { InboxRequest } from 'claude-agent-protocol';
import { describe, expect, test } from 'vitest';
import { type Entry, mergePending, settle, step } from './entries.ts';
import type { Settlement } from './settlement.ts';

const request = (id: string, second: number): InboxRequest =>
  ({ request_id: id, requested_at: `2026-01-01T00:00:0${second}.000Z` }) as InboxRequest;
const [a, b, c] = [request('a', 1), request('b', 2), request('c', 3)];
const ALLOWED: Settlement = { state: 'allowed', reason: 'answered', resolved_by: null, resolved_at: null };
const ids = (entries: readonly Entry[]): string[] => entries.map((entry) => entry.request.request_id);

describe('the entries of the inbox', () => {
  test('are what waits, oldest first, and what was settled since', () => {
    const first = mergePending([], [b, a]);
    expect(ids(first.entries)).toEqual(['a', 'b']);
    const settled = settle(first.entries, 'a', ALLOWED);
    const second = mergePending(settled, [c, b]);
    expect(ids(second.entries)).toEqual(['a', 'b', 'c']);
    expect(second.entries[0]?.settlement).toBe(ALLOWED);
    expect(second.vanished).toEqual([]);
  });

  test('name those that wait no more without a word', () => {
    expect(mergePending([{ request: a }, { request: b }], [b]).vanished).toEqual([a]);
    expect(mergePending([{ request: a, settlement: ALLOWED }], []).vanished).toEqual([]);
  });

  test('keep a limited number of what is settled', () => {
    const many = Array.from({ length: 40 }, (_, n) => ({
      request: request(`r${n}`, 1),
      settlement: ALLOWED,
    }));
    expect(mergePending(many, [b]).entries).toHaveLength(31);
  });
});

describe('a step with j and k', () => {
  const entries: Entry[] = [{ request: a }, { request: b, settlement: ALLOWED }, { request: c }];
  test.each([
    [undefined, 1, 'a'],
    [undefined, -1, 'a'],
    ['a', 1, 'c'],
    ['c', 1, 'c'],
    ['c', -1, 'a'],
    ['a', -1, 'a'],
    ['b', 1, 'c'],
    ['b', -1, 'a'],
    ['gone', 1, 'a'],
  ] as const)('from %s by %i leads to %s', (from, by, to) => {
    expect(step(entries, from, by)).toBe(to);
  });

  test('leads nowhere when nothing waits', () => {
    expect(step([{ request: a, settlement: ALLOWED }], 'a', 1)).toBeUndefined();
  });
});
