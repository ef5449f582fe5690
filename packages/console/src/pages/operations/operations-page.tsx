import { useQuery } from '@tanstack/react-query';
import type { Output } from 'claude-agent-protocol';
import type { ReactNode } from 'react';
import { client } from '../../api/client.ts';
import { useMe } from '../../api/me.ts';
import { formatBytes, formatNumber } from '../../format/format.ts';
import { common } from '../../text/common.ts';
import { operationsTexts as texts } from '../../text/operations.ts';
import { Ago } from '../../ui/ago.tsx';
import { Badge } from '../../ui/badge.tsx';
import { Page } from '../../ui/page.tsx';
import { Figures, Section } from '../../ui/section.tsx';
import { Empty, Failure, Loading } from '../../ui/states.tsx';
import { Table } from '../../ui/table.tsx';
import { Audit } from './audit.tsx';
import { Keys } from './keys.tsx';
import { Webhooks } from './webhooks.tsx';

const REFRESH_MS = 5_000;

type Operations = Output<'getOperations'>;

/** The server itself: nodes, agents, keys, webhooks, the audit log, and how it was configured. */
export function OperationsPage(): ReactNode {
  const { may } = useMe();
  if (!may('manage')) {
    return (
      <Page title={texts.title}>
        <Empty title={common.notAllowed} />
      </Page>
    );
  }
  return (
    <Page title={texts.title}>
      {may('operate') && <Server />}
      <Keys />
      <Webhooks />
      <Audit />
      {may('operate') && <Settings />}
    </Page>
  );
}

const useOperations = () =>
  useQuery({
    queryKey: ['operations'],
    queryFn: () => client.call('getOperations'),
    refetchInterval: REFRESH_MS,
  });

const sum = (counts: Partial<Record<string, number>>): number =>
  Object.values(counts).reduce<number>((total, count) => total + (count ?? 0), 0);

function Server(): ReactNode {
  const { data, error, refetch } = useOperations();
  if (error) return <Failure problem={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  const { agents, sessions, sandbox } = data;
  return (
    <>
      <Section title={texts.server}>
        <Figures
          items={[
            { label: texts.version, value: data.version },
            { label: texts.since, value: <Ago at={data.started_at} /> },
            { label: texts.memory, value: formatBytes(data.memory_bytes) },
            {
              label: texts.agents,
              value: texts.agentsOf(formatNumber(agents.running), formatNumber(agents.max)),
            },
            ...(agents.memory_bytes === null
              ? []
              : [{ label: texts.agentMemory, value: formatBytes(agents.memory_bytes) }]),
            { label: texts.open, value: formatNumber(sessions.open) },
            { label: texts.queued, value: formatNumber(data.queued_turns) },
            { label: texts.waitingForAgent, value: formatNumber(data.turns_waiting_for_agent) },
            { label: texts.pending, value: formatNumber(sum(data.permissions_pending)) },
          ]}
        />
      </Section>
      <Section title={texts.sandbox}>
        <Figures
          items={[
            { label: texts.sandboxMode, value: sandbox.mode },
            { label: texts.sandboxActive, value: sandbox.active ? texts.yes : texts.no },
            { label: texts.network, value: sandbox.network },
          ]}
        />
      </Section>
      <Nodes nodes={data.nodes} />
    </>
  );
}

function Nodes({ nodes }: { nodes: Operations['nodes'] }): ReactNode {
  return (
    <Section title={texts.nodes}>
      {nodes.length < 2 ? (
        <p className="text-muted">{texts.alone}</p>
      ) : (
        <Table
          caption={texts.nodes}
          rows={nodes}
          keyOf={({ node_id: id }) => id}
          columns={[
            {
              label: texts.node,
              cell: (node) => (
                <>
                  {node.node_id} {node.is_this && <Badge>{texts.thisNode}</Badge>}
                </>
              ),
            },
            { label: texts.address, cell: ({ address }) => address },
          ]}
        />
      )}
    </Section>
  );
}

function Settings(): ReactNode {
  const { data } = useOperations();
  if (!data) return null;
  return (
    <Section title={texts.settings}>
      {data.settings.length === 0 ? (
        <p className="text-muted">{texts.defaults}</p>
      ) : (
        <Table
          caption={texts.settings}
          rows={data.settings}
          keyOf={({ name }) => name}
          columns={[
            { label: texts.setting, cell: ({ name }) => <code>{name}</code> },
            { label: texts.value, cell: ({ value }) => <code>{value}</code> },
            { label: texts.from, cell: ({ from }) => from },
          ]}
        />
      )}
    </Section>
  );
}
