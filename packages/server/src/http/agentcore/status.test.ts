import { expect, test } from 'vitest';
import { createStatus } from './status.ts';

test('a status is as old as its last change', () => {
  let [busy, now] = [false, 1_000];
  const status = createStatus(
    () => busy,
    () => now,
  );
  const seen = [status.look()];
  for (const [work, at] of [
    [false, 2_000],
    [true, 3_000],
    [true, 4_000],
    [false, 5_000],
  ] as const) {
    [busy, now] = [work, at];
    seen.push(status.look());
  }
  expect(seen).toEqual([
    { isBusy: false, since: 1_000 },
    { isBusy: false, since: 1_000 },
    { isBusy: true, since: 3_000 },
    { isBusy: true, since: 3_000 },
    { isBusy: false, since: 5_000 },
  ]);
});
