import { useQuery } from '@tanstack/react-query';
import type { Output } from 'claude-agent-protocol';
import type { ReactNode } from 'react';
import { client } from '../../api/client.ts';
import { useMe } from '../../api/me.ts';
import { formatCost, formatDuration, formatNumber } from '../../format/format.ts';
import { common } from '../../text/common.ts';
import { gatewayTexts as texts } from '../../text/gateway.ts';
import { Ago } from '../../ui/ago.tsx';
import { Badge } from '../../ui/badge.tsx';
import { Page } from '../../ui/page.tsx';
import { Section } from '../../ui/section.tsx';
import { Empty, Failure, Loading } from '../../ui/states.tsx';
import { Table } from '../../ui/table.tsx';

/** Calls end all the time; nothing announces them. */
const REFRESH_MS = 5_000;

type Call = Output<'listModelCalls'>['calls'][number];
type Provider = Output<'listProviders'>['providers'][number];

/** The providers of the gateway, what models cost, and what was called lately. */
export function GatewayPage(): ReactNode {
  const { may } = useMe();
  return (
    <Page title={texts.title}>
      {may('operate') && <Providers />}
      <Models />
      {may('operate') ? <Calls /> : <Empty title={common.notAllowed} />}
    </Page>
  );
}

function Providers(): ReactNode {
  const { data, error, refetch } = useQuery({
    queryKey: ['providers'],
    queryFn: () => client.call('listProviders'),
  });
  if (error) return <Failure problem={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  const ready = data.providers.filter((provider) => provider.ready && provider.given !== null);
  const others = data.providers.filter((provider) => !ready.includes(provider));
  return (
    <Section title={texts.ready}>
      {ready.length === 0 ? (
        <p className="text-muted">{texts.none}</p>
      ) : (
        <ProviderTable caption={texts.ready} providers={ready} />
      )}
      <details className="mt-2">
        <summary className="text-muted">{texts.others(others.length)}</summary>
        <ProviderTable caption={texts.others(others.length)} providers={others} />
      </details>
    </Section>
  );
}

function ProviderTable({
  caption,
  providers,
}: {
  caption: string;
  providers: readonly Provider[];
}): ReactNode {
  return (
    <Table
      caption={caption}
      rows={providers}
      keyOf={({ id }) => id}
      columns={[
        { label: texts.provider, cell: ({ name }) => name },
        { label: texts.given, cell: ({ given }) => given ?? '' },
        { label: texts.missing, cell: ({ missing }) => missing.join(', ') },
        { label: texts.models, number: true, cell: ({ models }) => formatNumber(models) },
      ]}
    />
  );
}

const price = (usd: number | null | undefined): string =>
  usd === null || usd === undefined ? texts.unknown : formatCost(usd);

function Models(): ReactNode {
  const { data, error, refetch } = useQuery({
    queryKey: ['models'],
    queryFn: () => client.call('listOfferedModels', { query: { limit: 1000 } }),
  });
  if (error) return <Failure problem={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  return (
    <Section title={texts.offered}>
      <Table
        caption={texts.offered}
        rows={data.models}
        keyOf={({ id }) => id}
        columns={[
          {
            label: texts.model,
            cell: ({ id }) => (
              <>
                {id} {id === data.default_model && <Badge>{texts.isDefault}</Badge>}
              </>
            ),
          },
          { label: texts.input, number: true, cell: (each) => price(each.price?.input) },
          { label: texts.output, number: true, cell: (each) => price(each.price?.output) },
        ]}
      />
    </Section>
  );
}

function Calls(): ReactNode {
  const { data, error, refetch } = useQuery({
    queryKey: ['model-calls'],
    queryFn: () => client.call('listModelCalls'),
    refetchInterval: REFRESH_MS,
  });
  if (error) return <Failure problem={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  if (data.calls.length === 0) return <Empty title={texts.noCalls} />;
  return (
    <Section title={texts.calls}>
      <Table
        caption={texts.calls}
        rows={data.calls}
        keyOf={(call) => call.request_id + call.at}
        columns={[
          { label: texts.when, cell: ({ at }) => <Ago at={at} /> },
          { label: texts.model, cell: (call) => call.model ?? call.requested_model },
          { label: texts.provider, cell: ({ provider }) => provider ?? '' },
          { label: texts.status, cell: (call) => <Status call={call} /> },
          {
            label: texts.tokens,
            number: true,
            cell: (call) => `${formatNumber(call.input_tokens)} / ${formatNumber(call.output_tokens)}`,
          },
          {
            label: texts.firstToken,
            number: true,
            cell: ({ ttft_ms: ms }) => (ms === null ? '' : formatDuration(ms)),
          },
          { label: texts.duration, number: true, cell: ({ latency_ms: ms }) => formatDuration(ms) },
          { label: texts.cost, number: true, cell: ({ cost_usd: usd }) => price(usd) },
        ]}
      />
    </Section>
  );
}

function Status({ call: { status, error } }: { call: Call }): ReactNode {
  if (error === 'aborted') return <Badge>{texts.aborted}</Badge>;
  if (error !== null) return <Badge tone="bad">{`${status} ${error}`}</Badge>;
  return <Badge tone="good">{texts.ok}</Badge>;
}
