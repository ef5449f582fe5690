import { Link } from '@tanstack/react-router';
import type { InboxRequest } from 'claude-agent-protocol';
import { CircleCheck, CircleX } from 'lucide-react';
import type { ReactNode } from 'react';
import { useMe } from '../../api/me.ts';
import { inboxTexts as texts } from '../../text/inbox.ts';
import { Ago } from '../../ui/ago.tsx';
import { type Settlement, sentenceOf } from './settlement.ts';
import { headlineOf } from './subject.ts';

/** One line about a request that is settled: what it was, who answered, when. */
export function SettledRow({
  request,
  settlement,
}: {
  request: InboxRequest;
  settlement: Settlement;
}): ReactNode {
  const me = useMe();
  const { session_id: sessionId, request_id: requestId, session } = request;
  const Icon = settlement.state === 'allowed' ? CircleCheck : CircleX;
  return (
    <div className="flex items-center gap-2 rounded-lg border bg-sunken px-3 py-1.5">
      <Icon
        aria-hidden
        size={16}
        className={`shrink-0 ${settlement.state === 'allowed' ? 'text-good' : 'text-bad'}`}
      />
      <div className="min-w-0 grow">
        <Link
          to="/inbox/$sessionId/$requestId"
          params={{ sessionId, requestId }}
          className="tap inline-flex min-h-6 items-center font-medium underline decoration-line underline-offset-2"
        >
          {headlineOf(request)}
        </Link>{' '}
        <span className="text-xs text-muted">{session.title ?? texts.untitled}</span>
        <p role="status" className="text-muted">
          {sentenceOf(request.kind, settlement, me)}
          {settlement.resolved_at !== null && (
            <>
              {', '}
              <Ago at={settlement.resolved_at} />
            </>
          )}
        </p>
      </div>
    </div>
  );
}
