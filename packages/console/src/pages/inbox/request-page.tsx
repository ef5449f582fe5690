import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { isProblem } from 'claude-agent-client';
import type { ReactNode } from 'react';
import { client } from '../../api/client.ts';
import { useMe } from '../../api/me.ts';
import { inboxTexts as texts } from '../../text/inbox.ts';
import { Page } from '../../ui/page.tsx';
import { Empty, Failure, Loading } from '../../ui/states.tsx';
import { RequestCard } from './request-card.tsx';
import { RequestHeading } from './request-heading.tsx';
import { useSendAnswer } from './use-inbox.ts';

/** One request by its address, whether it still waits or not. */
export function RequestPage(): ReactNode {
  const { sessionId = '', requestId = '' } = useParams({ strict: false });
  const { may } = useMe();
  const queries = useQueryClient();
  const send = useSendAnswer();
  const queryKey = ['inbox', 'request', sessionId, requestId];
  const query = useQuery({ queryKey, queryFn: () => client.permissions.get(sessionId, requestId) });
  const isGone = isProblem(query.error, 'permission_not_found', 'session_not_found', 'not_found');
  return (
    <Page
      title={texts.title}
      actions={
        <Link to="/inbox" className="tap inline-flex items-center px-2 text-accent underline">
          {texts.all}
        </Link>
      }
    >
      <div className="mx-auto max-w-4xl">
        {query.isPending && <Loading />}
        {isGone && <Empty title={texts.gone} />}
        {query.error !== null && !isGone && (
          <Failure problem={query.error} retry={() => void query.refetch()} />
        )}
        {query.data && (
          <RequestCard
            request={query.data}
            mayAnswer={may('answer')}
            onAnswer={async (answer) => {
              await send(query.data, answer);
              await queries.invalidateQueries({ queryKey });
            }}
          >
            <RequestHeading request={query.data} />
          </RequestCard>
        )}
      </div>
    </Page>
  );
}
