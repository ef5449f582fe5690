import { useQuery } from '@tanstack/react-query';
import { type ReactNode, Suspense, useMemo, useState } from 'react';
import { client } from '../../api/client.ts';
import { loadLater } from '../../api/load-later.ts';
import { formatCost } from '../../format/format.ts';
import { usageTexts as texts } from '../../text/usage.ts';
import { SelectField } from '../../ui/field.tsx';
import { Section } from '../../ui/section.tsx';
import { Failure, Loading } from '../../ui/states.tsx';
import { Table } from '../../ui/table.tsx';
import { dailyCost, type Grouping } from './by-day.ts';

const Chart = loadLater(async () => ({ default: (await import('./daily-chart.tsx')).DailyChart }));

const GROUPINGS: readonly Grouping[] = ['model', 'maker', 'tenant'];

/** What the last 30 days cost, by model, key or tenant. */
export function Daily(): ReactNode {
  const [grouping, setGrouping] = useState<Grouping>('model');
  const { data, error, refetch } = useQuery({
    queryKey: ['usage', 'days'],
    queryFn: () => client.call('getDailyUsage', { query: {} }),
  });
  const cost = useMemo(() => data && dailyCost(data.days, data.from, data.to, grouping), [data, grouping]);
  if (error) return <Failure problem={error} retry={() => void refetch()} />;
  if (!cost) return <Loading />;
  if (cost.groups.length === 0) return null;
  return (
    <Section title={texts.byDay}>
      <Suspense fallback={<Loading />}>
        <Chart cost={cost} />
      </Suspense>
      <div className="my-2 w-40">
        <SelectField
          label={texts.grouping}
          value={grouping}
          onChange={({ target }) => setGrouping(GROUPINGS.find((each) => each === target.value) ?? 'model')}
        >
          {GROUPINGS.map((each) => (
            <option key={each} value={each}>
              {texts.groupings[each]}
            </option>
          ))}
        </SelectField>
      </div>
      <Table
        caption={texts.byDay}
        rows={cost.groups}
        keyOf={({ name }) => name}
        columns={[
          { label: texts.groupings[grouping], cell: ({ name }) => name },
          { label: texts.cost, number: true, cell: ({ total }) => formatCost(total) },
        ]}
      />
    </Section>
  );
}
