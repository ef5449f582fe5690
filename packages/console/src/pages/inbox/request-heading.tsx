import { Link } from '@tanstack/react-router';
import type { InboxRequest } from 'claude-agent-protocol';
import type { ReactNode } from 'react';
import { consoleUrl } from '../../api/client.ts';
import { formatAgo } from '../../format/format.ts';
import { inboxTexts as texts } from '../../text/inbox.ts';
import { Ago } from '../../ui/ago.tsx';
import { CopyButton } from '../../ui/copy-button.tsx';

/** The address of one request, to be sent to others. */
const requestUrl = ({ session_id, request_id }: InboxRequest): string =>
  new URL(`inbox/${session_id}/${encodeURIComponent(request_id)}`, consoleUrl).href;

/** Which session asks, in which folder, and since when. */
export function RequestHeading({ request }: { request: InboxRequest }): ReactNode {
  const { session, session_id: sessionId, requested_at: at, expires_at: until, state } = request;
  return (
    <div className="relative flex w-full flex-wrap items-center gap-x-3 pr-12 text-xs text-muted">
      <Link
        to="/sessions/$sessionId"
        params={{ sessionId }}
        className="tap inline-flex min-h-6 items-center font-medium text-ink underline decoration-line underline-offset-2"
      >
        {session.title ?? texts.untitled}
      </Link>
      <span className="font-mono">{session.cwd}</span>
      <Ago at={at} />
      {until !== null && state === 'pending' && (
        <span>
          {texts.expires} {formatAgo(until)}
        </span>
      )}
      <span className="absolute top-1/2 right-0 -translate-y-1/2">
        <CopyButton text={requestUrl(request)} label={texts.link} />
      </span>
    </div>
  );
}
