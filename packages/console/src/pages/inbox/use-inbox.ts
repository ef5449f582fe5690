import { useQuery } from '@tanstack/react-query';
import { isProblem } from 'claude-agent-client';
import type { InboxRequest } from 'claude-agent-protocol';
import { useEffect, useState } from 'react';
import { client } from '../../api/client.ts';
import { inboxQuery } from '../../api/inbox.ts';
import { useLiveEvents } from '../../api/live-context.tsx';
import { useMe } from '../../api/me.ts';
import { useToasts } from '../../ui/toasts.tsx';
import type { Answer } from './answer.ts';
import { type Entry, mergePending, settle } from './entries.ts';
import type { Settlement } from './settlement.ts';

type SendAnswer = (
  request: Pick<InboxRequest, 'session_id' | 'request_id'>,
  answer: Answer,
) => Promise<Settlement | undefined>;

/** Sends answers. @returns what became of the request: of somebody else, when that was quicker */
export function useSendAnswer(): SendAnswer {
  const me = useMe();
  const { fail } = useToasts();
  return async ({ session_id: sessionId, request_id }, answer) => {
    try {
      await client.permissions.respond(sessionId, { request_id, ...answer });
      return {
        state: answer.allowed ? 'allowed' : 'denied',
        reason: 'answered',
        resolved_by: me.kind === 'local' ? { kind: 'local' } : { kind: 'key', id: me.id },
        resolved_at: new Date().toISOString(),
        message: answer.message ?? null,
      };
    } catch (problem) {
      if (isProblem(problem, 'permission_already_settled'))
        return client.permissions.get(sessionId, request_id).catch(() => undefined);
      fail(problem);
      return undefined;
    }
  };
}

interface InboxState {
  entries: readonly Entry[];
  query: { isPending: boolean; error: unknown; refetch(): unknown };
  answer(request: InboxRequest, answer: Answer): Promise<void>;
  /** Takes what is settled off the screen. */
  clear(): void;
}

/** What waits, kept up to date; what was settled while the page is open stays, with who did it. */
export function useInbox(): InboxState {
  const query = useQuery(inboxQuery);
  const [entries, setEntries] = useState<readonly Entry[]>([]);
  const send = useSendAnswer();
  const note = (id: string, settlement: Settlement): void =>
    setEntries((before) => settle(before, id, settlement));

  useLiveEvents((event) => {
    if (event.type !== 'permission.resolved') return;
    const { request_id, ...settlement } = event.data as { request_id: string } & Settlement;
    note(request_id, { ...settlement, resolved_at: event.at });
  });

  const pending = query.data?.permissions;
  useEffect(() => {
    if (pending) setEntries((before) => mergePending(before, pending).entries);
  }, [pending]);
  // Settled while nothing was heard: what became of them is asked for.
  const vanished = pending ? mergePending(entries, pending).vanished : [];
  const missing = vanished.map(({ request_id }) => request_id).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: once for each set of them
  useEffect(() => {
    for (const { session_id, request_id } of vanished) {
      client.permissions.get(session_id, request_id).then(
        (request) => request.state !== 'pending' && note(request_id, request),
        // With its session.
        () => setEntries((before) => before.filter(({ request }) => request.request_id !== request_id)),
      );
    }
  }, [missing]);

  return {
    entries,
    query,
    async answer(request, answer) {
      const settlement = await send(request, answer);
      if (settlement) note(request.request_id, settlement);
    },
    clear: () => setEntries((before) => before.filter(({ settlement }) => settlement === undefined)),
  };
}
