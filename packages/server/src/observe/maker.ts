import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** Makes metrics of one registry, all under one prefix. */
export interface Maker {
  /** @param total asked at each scrape, for what is counted elsewhere */
  counter<L extends string>(
    name: string,
    help: string,
    labelNames?: readonly L[],
    total?: () => number,
  ): Counter<L>;
  /** @param collect sets its values, at each scrape */
  gauge<L extends string>(
    name: string,
    help: string,
    labelNames?: readonly L[],
    collect?: (gauge: Gauge<L>) => void | Promise<void>,
  ): Gauge<L>;
  histogram<L extends string>(
    name: string,
    help: string,
    buckets: number[],
    labelNames?: readonly L[],
  ): Histogram<L>;
}

export function createMaker(registry: Registry): Maker {
  const registers = [registry];
  const nameOf = (name: string): string => `claude_agent_${name}`;
  return {
    counter: (name, help, labelNames = [], total = undefined) =>
      new Counter({
        name: nameOf(name),
        help,
        labelNames,
        registers,
        ...(total && {
          collect() {
            this.reset();
            this.inc(total());
          },
        }),
      }),
    gauge: (name, help, labelNames = [], collect = undefined) =>
      new Gauge({
        name: nameOf(name),
        help,
        labelNames,
        registers,
        ...(collect && {
          collect() {
            return collect(this);
          },
        }),
      }),
    histogram: (name, help, buckets, labelNames = []) =>
      new Histogram({ name: nameOf(name), help, labelNames, buckets, registers }),
  };
}
