import { expect, test } from 'vitest';
import { createLearned } from './learned.ts';

test('a refusal is remembered for that model alone, for an hour', () => {
  let now = 0;
  const learned = createLearned(() => now);
  learned.learn('one/m', 'top_k');
  now = 1_800_000;
  learned.learn('one/m', 'store');
  expect([...learned.refused('one/m')]).toEqual(['top_k', 'store']);
  expect(learned.refused('one/other').size).toBe(0);
  now = 3_600_000;
  expect([...learned.refused('one/m')]).toEqual(['store']);
  now = 5_400_000;
  expect(learned.refused('one/m').size).toBe(0);
});

test('the number of remembered models is bounded, and the newest stay', () => {
  const learned = createLearned(() => 0);
  for (let n = 0; n < 1_500; n += 1) learned.learn(`one/m${n}`, 'top_k');
  const known = Array.from({ length: 1_500 }, (_, n) => learned.refused(`one/m${n}`).size);
  expect(known.reduce((sum, size) => sum + size)).toBe(1_000);
  expect(known.at(-1)).toBe(1);
});
