import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { client } from '../../api/client.ts';
import { operationsTexts as texts } from '../../text/operations.ts';
import { Badge } from '../../ui/badge.tsx';
import { Button } from '../../ui/button.tsx';
import { Section } from '../../ui/section.tsx';
import { Failure, Loading } from '../../ui/states.tsx';
import { Table } from '../../ui/table.tsx';
import { Deliveries } from './deliveries.tsx';

/** Where the server tells programs what happens. */
export function Webhooks(): ReactNode {
  const [shown, setShown] = useState<{ id: string; url: string }>();
  const { data, error, refetch } = useQuery({
    queryKey: ['webhooks'],
    queryFn: () => client.call('listWebhooks', { query: {} }),
  });
  if (error) return <Failure problem={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  return (
    <Section title={texts.webhooks}>
      {data.webhooks.length === 0 ? (
        <p className="text-muted">{texts.noWebhooks}</p>
      ) : (
        <Table
          caption={texts.webhooks}
          rows={data.webhooks}
          keyOf={({ id }) => id}
          columns={[
            { label: texts.url, cell: ({ url }) => url },
            {
              label: texts.deliveries,
              cell: (webhook) => <Button onClick={() => setShown(webhook)}>{texts.deliveries}</Button>,
            },
            {
              label: texts.state,
              cell: ({ status }) => <Badge tone={status === 'enabled' ? 'good' : 'bad'}>{status}</Badge>,
            },
          ]}
        />
      )}
      {shown && <Deliveries webhook={shown} close={() => setShown(undefined)} />}
    </Section>
  );
}
