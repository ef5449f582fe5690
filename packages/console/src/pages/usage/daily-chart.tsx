import { type ReactNode, useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { formatCost } from '../../format/format.ts';
import { usageTexts as texts } from '../../text/usage.ts';
import type { DailyCost } from './by-day.ts';

const HEIGHT = 200;
/** Of the width that a day has. */
const BAR = 0.7;

const colour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The cost of each day as a bar. The table below it says the same in numbers. */
export function DailyChart({ cost }: { cost: DailyCost }): ReactNode {
  const holder = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const { current } = holder;
    if (!current) return;
    const bars = uPlot.paths.bars?.({ size: [BAR, 40] });
    const axis = { stroke: colour('--muted'), grid: { stroke: colour('--line') } };
    const chart = new uPlot(
      {
        width: current.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        scales: { y: { range: (_, __, most) => [0, most || 1] } },
        axes: [axis, { ...axis, size: 80, values: (_, ticks) => ticks.map(formatCost) }],
        series: [
          {},
          {
            label: texts.cost,
            stroke: colour('--accent'),
            fill: colour('--accent'),
            ...(bars && { paths: bars }),
            points: { show: false },
          },
        ],
      },
      [cost.days.map((day) => Date.parse(day) / 1_000), cost.total],
      current,
    );
    const resize = new ResizeObserver(() => chart.setSize({ width: current.clientWidth, height: HEIGHT }));
    resize.observe(current);
    return () => {
      resize.disconnect();
      chart.destroy();
    };
  }, [cost]);
  return <div ref={holder} role="img" aria-label={texts.byDay} className="w-full overflow-hidden" />;
}
