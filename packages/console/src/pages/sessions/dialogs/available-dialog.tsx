import { useInfiniteQuery } from '@tanstack/react-query';
import { isProblem } from 'claude-agent-client';
import type { ReactNode } from 'react';
import { client } from '../../../api/client.ts';
import { formatNumber } from '../../../format/format.ts';
import { sessionsTexts } from '../../../text/sessions.ts';
import { Ago } from '../../../ui/ago.tsx';
import { Button } from '../../../ui/button.tsx';
import { Dialog } from '../../../ui/dialog.tsx';
import { Empty, Failure, Loading } from '../../../ui/states.tsx';
import { useResume } from '../use-resume.ts';

const texts = sessionsTexts.available;
const PAGE_SIZE = 50;

/** The conversations on the server's disk, to go on with one. */
export function AvailableDialog({ close }: { close(): void }): ReactNode {
  const found = useInfiniteQuery({
    queryKey: ['available'],
    queryFn: ({ pageParam }) =>
      client.sessions.availablePage({ limit: PAGE_SIZE, ...(pageParam !== '' && { cursor: pageParam }) }),
    initialPageParam: '',
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    staleTime: 0,
  });
  const resume = useResume({ replace: true });
  const all = found.data?.pages.flatMap(({ sessions }) => sessions) ?? [];
  const failed = resume.error && resume.variables;
  return (
    <Dialog open onOpenChange={close} title={texts.title} description={texts.text} wide>
      {found.isPending && <Loading />}
      {found.error && <Failure problem={found.error} retry={() => void found.refetch()} />}
      {found.data && all.length === 0 && <Empty title={texts.empty} />}
      {failed && (
        <div>
          <Failure problem={resume.error} />
          {isProblem(resume.error, 'conversation_in_use', 'conversation_diverged') && (
            <Button look="danger" onClick={() => resume.mutate({ ...failed, force: true })}>
              {texts.force}
            </Button>
          )}
        </div>
      )}
      {all.length > 0 && (
        <>
          <p className="text-xs text-muted">{texts.total(formatNumber(found.data?.pages[0]?.total ?? 0))}</p>
          <ul className="divide-y">
            {all.map(({ conversation_id: id, session_id, preview, project, modified }) => (
              <li key={id} className="flex items-center gap-3 py-2">
                <div className="min-w-0 grow">
                  <p className="truncate font-medium">{preview}</p>
                  <p className="flex gap-2 text-xs text-muted">
                    <span className="truncate">{project}</span>
                    <Ago at={modified} />
                  </p>
                </div>
                <Button
                  aria-label={`${texts.action}: ${preview}`}
                  busy={resume.isPending && resume.variables?.id === session_id}
                  onClick={() => resume.mutate({ id: session_id })}
                >
                  {texts.action}
                </Button>
              </li>
            ))}
          </ul>
          {found.hasNextPage && (
            <Button busy={found.isFetchingNextPage} onClick={() => void found.fetchNextPage()}>
              {texts.more}
            </Button>
          )}
        </>
      )}
    </Dialog>
  );
}
