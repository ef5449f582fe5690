import type { Output } from 'claude-agent-protocol';

type Day = Output<'getDailyUsage'>['days'][number];

/** By what the cost of a day can be told apart. */
export type Grouping = 'model' | 'maker' | 'tenant';

export interface DailyCost {
  /** Every day of the range, also those without usage, as 2026-11-29. */
  days: string[];
  total: number[];
  /** The cost of each group on each day, the most expensive group first. */
  groups: { name: string; costs: number[]; total: number }[];
}

const DAY_MS = 86_400_000;

/** Arranges the rows of the server for a chart. */
export function dailyCost(rows: readonly Day[], from: string, to: string, grouping: Grouping): DailyCost {
  const length = Math.round((Date.parse(to) - Date.parse(from)) / DAY_MS) + 1;
  const days = Array.from({ length }, (_, n) =>
    new Date(Date.parse(from) + n * DAY_MS).toISOString().slice(0, 10),
  );
  const place = new Map(days.map((day, n) => [day, n]));
  const groups = new Map<string, number[]>();
  const total = days.map(() => 0);
  for (const row of rows) {
    const n = place.get(row.day);
    if (n === undefined) continue;
    const costs = groups.get(row[grouping]) ?? days.map(() => 0);
    costs[n] = (costs[n] ?? 0) + row.cost_usd;
    total[n] = (total[n] ?? 0) + row.cost_usd;
    groups.set(row[grouping], costs);
  }
  return {
    days,
    total,
    groups: [...groups]
      .map(([name, costs]) => ({ name, costs, total: costs.reduce((sum, cost) => sum + cost, 0) }))
      .sort((a, b) => b.total - a.total),
  };
}
