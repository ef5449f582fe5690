import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { Output } from 'claude-agent-protocol';
import { type ReactNode, useState } from 'react';
import { client } from '../../api/client.ts';
import { common } from '../../text/common.ts';
import { operationsTexts as texts } from '../../text/operations.ts';
import { Ago } from '../../ui/ago.tsx';
import { Badge } from '../../ui/badge.tsx';
import { Button } from '../../ui/button.tsx';
import { Confirm } from '../../ui/dialog.tsx';
import { Section } from '../../ui/section.tsx';
import { Failure, Loading } from '../../ui/states.tsx';
import { Table } from '../../ui/table.tsx';
import { useToasts } from '../../ui/toasts.tsx';
import { ChangeKey } from './change-key.tsx';
import { CreateKey } from './create-key.tsx';

type Key = Output<'listKeys'>['keys'][number];

const isOver = ({ expires_at: at }: Key): boolean => at !== null && Date.parse(at) < Date.now();

/** The keys that were made here, and the ways to change and revoke them. */
export function Keys(): ReactNode {
  const queries = useQueryClient();
  const { fail } = useToasts();
  const [changing, setChanging] = useState<Key>();
  const [revoking, setRevoking] = useState<Key>();
  const { data, error, refetch } = useQuery({
    queryKey: ['keys'],
    queryFn: async () => {
      const keys: Key[] = [];
      for await (const key of client.list('listKeys')) keys.push(key);
      return keys;
    },
  });
  const revoke = useMutation({
    mutationFn: (key: Key) => client.call('revokeKey', { params: { key_id: key.key_id } }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['keys'] }),
    onError: fail,
    onSettled: () => setRevoking(undefined),
  });
  if (error) return <Failure problem={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  return (
    <Section title={texts.keys}>
      {data.length === 0 ? (
        <p className="text-muted">{texts.noKeys}</p>
      ) : (
        <Table
          caption={texts.keys}
          rows={data}
          keyOf={({ key_id: id }) => id}
          columns={[
            { label: texts.keyName, cell: ({ name }) => name },
            { label: texts.role, cell: ({ role }) => common.roles[role] },
            { label: texts.tenant, cell: ({ tenant }) => tenant },
            {
              label: texts.lastUsed,
              cell: ({ last_used_at: at }) => (at === null ? texts.never : <Ago at={at} />),
            },
            { label: texts.state, cell: (key) => <State of={key} /> },
            {
              label: texts.change,
              cell: (key) =>
                key.revoked_at === null && (
                  <span className="flex gap-2">
                    <Button onClick={() => setChanging(key)}>{texts.change}</Button>
                    <Button onClick={() => setRevoking(key)}>{texts.revoke}</Button>
                  </span>
                ),
            },
          ]}
        />
      )}
      <CreateKey />
      {changing && <ChangeKey of={changing} onDone={() => setChanging(undefined)} />}
      <Confirm
        open={revoking !== undefined}
        onOpenChange={(open) => !open && setRevoking(undefined)}
        title={texts.revokeTitle}
        action={texts.revoke}
        danger
        busy={revoke.isPending}
        onConfirm={() => revoking && revoke.mutate(revoking)}
      >
        <p className="font-medium">{revoking?.name}</p>
        <p className="text-muted">{texts.revokeHint}</p>
      </Confirm>
    </Section>
  );
}

function State({ of: key }: { of: Key }): ReactNode {
  if (key.revoked_at !== null) return <Badge tone="bad">{texts.revoked}</Badge>;
  return isOver(key) ? <Badge tone="warn">{texts.expired}</Badge> : <Badge tone="good">{texts.good}</Badge>;
}
