import { expect, test } from 'vitest';
import { dailyCost } from './by-day.ts';

const row = (day: string, model: string, cost_usd: number) => ({
  day,
  tenant: 'default',
  maker: 'a-key',
  model,
  input_tokens: 1,
  output_tokens: 1,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
  cost_usd,
});

test('has every day of the range, over the end of a month, and the most expensive group first', () => {
  const rows = [row('2026-02-27', 'small', 1), row('2026-03-01', 'large', 5), row('2026-03-01', 'small', 2)];
  expect(dailyCost(rows, '2026-02-27', '2026-03-02', 'model')).toEqual({
    days: ['2026-02-27', '2026-02-28', '2026-03-01', '2026-03-02'],
    total: [1, 0, 7, 0],
    groups: [
      { name: 'large', costs: [0, 0, 5, 0], total: 5 },
      { name: 'small', costs: [1, 0, 2, 0], total: 3 },
    ],
  });
});

test('adds up what belongs together, and leaves out days that nobody asked for', () => {
  const rows = [row('2026-02-27', 'small', 1), row('2026-02-27', 'large', 2), row('2026-02-20', 'large', 9)];
  const { groups } = dailyCost(rows, '2026-02-27', '2026-02-27', 'maker');
  expect(groups).toEqual([{ name: 'a-key', costs: [3], total: 3 }]);
});
