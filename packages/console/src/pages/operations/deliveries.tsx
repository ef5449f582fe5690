import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { Output } from 'claude-agent-protocol';
import type { ReactNode } from 'react';
import { client } from '../../api/client.ts';
import { operationsTexts as texts } from '../../text/operations.ts';
import { Ago } from '../../ui/ago.tsx';
import { Badge, type Tone } from '../../ui/badge.tsx';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Empty, Failure, Loading } from '../../ui/states.tsx';
import { Table } from '../../ui/table.tsx';
import { useToasts } from '../../ui/toasts.tsx';

type Delivery = Output<'listDeliveries'>['deliveries'][number];

const SHOWN = 50;
const TONES: Readonly<Record<Delivery['state'], Tone>> = {
  pending: 'info',
  delivered: 'good',
  failed: 'bad',
};

/** What a webhook was sent lately, with the way to send it again. */
export function Deliveries({
  webhook: { id, url },
  close,
}: {
  webhook: { id: string; url: string };
  close(): void;
}): ReactNode {
  const queries = useQueryClient();
  const { say, fail } = useToasts();
  const key = ['webhooks', id, 'deliveries'];
  const { data, error, refetch } = useQuery({
    queryKey: key,
    queryFn: () => client.call('listDeliveries', { params: { webhook_id: id }, query: { limit: SHOWN } }),
    staleTime: 0,
  });
  const redeliver = useMutation({
    mutationFn: (delivery: string) =>
      client.call('redeliver', { params: { webhook_id: id, delivery_id: delivery } }),
    onSuccess: () => {
      say(texts.sentAgain);
      return queries.invalidateQueries({ queryKey: key });
    },
    onError: fail,
  });
  return (
    <Dialog open onOpenChange={(open) => !open && close()} title={texts.deliveriesOf(url)} wide>
      {error && <Failure problem={error} retry={() => void refetch()} />}
      {!data && !error && <Loading />}
      {data?.deliveries.length === 0 && <Empty title={texts.noDeliveries} />}
      {data && data.deliveries.length > 0 && (
        <Table
          caption={texts.deliveries}
          rows={data.deliveries}
          keyOf={(delivery) => delivery.id}
          columns={[
            { label: texts.when, cell: (delivery) => <Ago at={delivery.created_at} /> },
            { label: texts.what, cell: ({ type }) => <code>{type}</code> },
            {
              label: texts.state,
              cell: ({ state }) => <Badge tone={TONES[state]}>{texts.deliveryStates[state]}</Badge>,
            },
            { label: texts.attempts, number: true, cell: ({ attempts }) => attempts },
            { label: texts.answer, cell: (delivery) => delivery.error ?? delivery.status ?? '' },
            {
              label: texts.sendAgain,
              cell: (delivery) =>
                delivery.state !== 'pending' && (
                  <Button
                    busy={redeliver.isPending && redeliver.variables === delivery.id}
                    onClick={() => redeliver.mutate(delivery.id)}
                  >
                    {texts.sendAgain}
                  </Button>
                ),
            },
          ]}
        />
      )}
    </Dialog>
  );
}
