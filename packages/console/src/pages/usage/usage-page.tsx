import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { Output } from 'claude-agent-protocol';
import type { ReactNode } from 'react';
import { client } from '../../api/client.ts';
import { formatCompact, formatCost, formatDateTime, formatNumber } from '../../format/format.ts';
import { usageTexts as texts } from '../../text/usage.ts';
import { Page } from '../../ui/page.tsx';
import { Figures, Section } from '../../ui/section.tsx';
import { Empty, Failure, Loading } from '../../ui/states.tsx';
import { Table } from '../../ui/table.tsx';
import { Daily } from './daily.tsx';

/** Turns end all the time, and their cost is no event of its own. */
const REFRESH_MS = 10_000;
const LATEST = 200;
const SHOWN = 10;

type Usage = Output<'getUsage'>;
type LimitState = Output<'getLimits'>['limits'][number];

/** Tokens and cost: in all, by model, by key, by session, and what the reader may still use. */
export function UsagePage(): ReactNode {
  const { data, error, refetch } = useQuery({
    queryKey: ['usage'],
    queryFn: () => client.usage(),
    refetchInterval: REFRESH_MS,
  });
  return (
    <Page title={texts.title}>
      {error ? (
        <Failure problem={error} retry={() => void refetch()} />
      ) : data ? (
        <Totals usage={data} />
      ) : (
        <Loading />
      )}
      <Daily />
      <Sessions />
      <Limits />
    </Page>
  );
}

function Totals({ usage }: { usage: Usage }): ReactNode {
  const models = Object.entries(usage.by_model).sort(([, a], [, b]) => b.cost_usd - a.cost_usd);
  const keys = Object.entries(usage.cost_usd_by_key).sort(([, a], [, b]) => b - a);
  if (usage.turns === 0 && models.length === 0) return <Empty title={texts.empty} />;
  return (
    <>
      <Section title={texts.total}>
        <Figures
          items={[
            { label: texts.cost, value: formatCost(usage.cost_usd) },
            { label: texts.turns, value: formatNumber(usage.turns) },
            { label: texts.input, value: formatCompact(usage.input_tokens) },
            { label: texts.output, value: formatCompact(usage.output_tokens) },
            { label: texts.cacheRead, value: formatCompact(usage.cache_read_input_tokens) },
            { label: texts.cacheWritten, value: formatCompact(usage.cache_creation_input_tokens) },
          ]}
        />
      </Section>
      <Section title={texts.byModel}>
        <Table
          caption={texts.byModel}
          rows={models}
          keyOf={([model]) => model}
          columns={[
            { label: texts.model, cell: ([model]) => model },
            { label: texts.input, number: true, cell: ([, each]) => formatNumber(each.input_tokens) },
            { label: texts.output, number: true, cell: ([, each]) => formatNumber(each.output_tokens) },
            { label: texts.cost, number: true, cell: ([, each]) => formatCost(each.cost_usd) },
          ]}
        />
      </Section>
      <Section title={texts.byKey}>
        {keys.length === 0 ? (
          <p className="text-muted">{texts.noKeys}</p>
        ) : (
          <Table
            caption={texts.byKey}
            rows={keys}
            keyOf={([key]) => key}
            columns={[
              { label: texts.key, cell: ([key]) => key },
              { label: texts.cost, number: true, cell: ([, cost]) => formatCost(cost) },
            ]}
          />
        )}
      </Section>
    </>
  );
}

function Sessions(): ReactNode {
  const { data } = useQuery({
    queryKey: ['sessions', 'costs'],
    queryFn: () => client.sessions.list({ status: 'all', limit: LATEST }),
  });
  const costly = (data?.sessions ?? [])
    .filter(({ cost_usd: cost }) => cost > 0)
    .sort((a, b) => b.cost_usd - a.cost_usd)
    .slice(0, SHOWN);
  if (costly.length === 0) return null;
  return (
    <Section title={texts.bySession}>
      <Table
        caption={texts.bySession}
        rows={costly}
        keyOf={({ session_id: id }) => id}
        columns={[
          {
            label: texts.session,
            cell: ({ session_id: sessionId, title }) => (
              <Link to="/sessions/$sessionId" params={{ sessionId }} className="text-accent underline">
                {title ?? sessionId}
              </Link>
            ),
          },
          { label: texts.cost, number: true, cell: ({ cost_usd: cost }) => formatCost(cost) },
        ]}
      />
    </Section>
  );
}

function Limits(): ReactNode {
  const { data, error, refetch } = useQuery({
    queryKey: ['limits'],
    queryFn: () => client.call('getLimits'),
    refetchInterval: REFRESH_MS,
  });
  if (error) return <Failure problem={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  return (
    <Section title={texts.limits}>
      {data.limits.length === 0 ? (
        <p className="text-muted">{texts.noLimits}</p>
      ) : (
        <Table
          caption={texts.limits}
          rows={data.limits}
          keyOf={({ limit, of, id }) => `${limit} ${of} ${id}`}
          columns={[
            { label: texts.limit, cell: ({ limit }) => texts.limitNames[limit] ?? limit },
            { label: texts.of, cell: ({ of, id }) => (of === 'tenant' ? texts.ofTenant(id) : texts.ofKey) },
            { label: texts.used, number: true, cell: (each) => <Used state={each} /> },
            {
              label: texts.resets,
              cell: ({ resets_at: at }) => (at === null ? '' : formatDateTime(at)),
            },
          ]}
        />
      )}
    </Section>
  );
}

function Used({ state: { limit, used, max } }: { state: LimitState }): ReactNode {
  const format = limit.startsWith('usd') ? formatCost : formatNumber;
  return (
    <span className="inline-flex items-center gap-2">
      <meter aria-label={texts.used} min={0} max={max} value={used} high={max * 0.9} className="w-24" />
      {format(used)} / {format(max)}
    </span>
  );
}
