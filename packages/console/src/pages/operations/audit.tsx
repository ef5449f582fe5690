import { useInfiniteQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { client } from '../../api/client.ts';
import { operationsTexts as texts } from '../../text/operations.ts';
import { Ago } from '../../ui/ago.tsx';
import { Badge } from '../../ui/badge.tsx';
import { Button } from '../../ui/button.tsx';
import { Section } from '../../ui/section.tsx';
import { Failure, Loading } from '../../ui/states.tsx';
import { Table } from '../../ui/table.tsx';

const PAGE = 25;
/** From this status on a request was refused or failed. */
const FAILED = 400;

/** Who changed what, newest first. */
export function Audit(): ReactNode {
  const { data, error, refetch, fetchNextPage, hasNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ['audit'],
    queryFn: ({ pageParam }) =>
      client.call('listAudit', { query: { limit: PAGE, ...(pageParam !== null && { cursor: pageParam }) } }),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next_cursor,
    staleTime: 0,
  });
  if (error) return <Failure problem={error} retry={() => void refetch()} />;
  if (!data) return <Loading />;
  const entries = data.pages.flatMap((page) => page.entries);
  return (
    <Section title={texts.audit}>
      {entries.length === 0 ? (
        <p className="text-muted">{texts.noAudit}</p>
      ) : (
        <Table
          caption={texts.audit}
          rows={entries}
          keyOf={({ id }) => id}
          columns={[
            { label: texts.when, cell: ({ at }) => <Ago at={at} /> },
            { label: texts.who, cell: ({ actor }) => actor.id ?? actor.kind },
            { label: texts.address, cell: ({ address }) => address ?? '' },
            { label: texts.what, cell: ({ action }) => <code>{action}</code> },
            {
              label: texts.outcome,
              cell: ({ status, problem }) => (
                <Badge tone={status >= FAILED ? 'bad' : 'good'}>
                  {problem === null ? String(status) : `${status} ${problem}`}
                </Badge>
              ),
            },
          ]}
        />
      )}
      {hasNextPage && (
        <Button className="mt-2" busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          {texts.more}
        </Button>
      )}
    </Section>
  );
}
