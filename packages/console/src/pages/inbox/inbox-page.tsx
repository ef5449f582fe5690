import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import type { InboxRequest } from 'claude-agent-protocol';
import { type ReactNode, useEffect, useEffectEvent, useMemo, useRef, useState } from 'react';
import { client } from '../../api/client.ts';
import { useMe } from '../../api/me.ts';
import { inboxTexts as texts } from '../../text/inbox.ts';
import { Button } from '../../ui/button.tsx';
import { type Command, useCommands } from '../../ui/commands.tsx';
import { Page } from '../../ui/page.tsx';
import { Empty, Failure, Loading } from '../../ui/states.tsx';
import type { Answer, RequestActions } from './answer.ts';
import { type Entry, step } from './entries.ts';
import { Notifications } from './notifications-dialog.tsx';
import { RequestCard } from './request-card.tsx';
import { RequestHeading } from './request-heading.tsx';
import { SettledRow } from './settled-row.tsx';
import { useInbox } from './use-inbox.ts';

const SETTLED_SHOWN = 20;

/** Everything that agents wait for, to be answered one after the other. */
export function InboxPage(): ReactNode {
  const { may } = useMe();
  const inbox = useInbox();
  const { entries, query } = inbox;
  const keys = useInboxKeys(entries, may('answer'));
  const waiting = entries.filter(({ settlement }) => settlement === undefined).length;
  return (
    <Page
      title={texts.title}
      actions={
        <>
          {waiting < entries.length && (
            <Button look="ghost" onClick={inbox.clear}>
              {texts.clear}
            </Button>
          )}
          <Notifications />
        </>
      }
    >
      <div className="mx-auto flex max-w-4xl flex-col gap-4">
        {!may('answer') && <p className="text-muted">{texts.readOnly}</p>}
        {query.isPending && <Loading />}
        {query.error !== null && <Failure problem={query.error} retry={() => void query.refetch()} />}
        {query.error === null && !query.isPending && waiting === 0 && (
          <Empty title={texts.empty}>{texts.emptyHint}</Empty>
        )}
        {entries.length > 0 && (
          <ul aria-label={texts.list} className="flex flex-col gap-4">
            {entries.map((entry) => (
              <li
                key={entry.request.request_id}
                className={keys.selected === entry.request.request_id ? 'rounded-lg ring-2 ring-accent' : ''}
              >
                <EntryView
                  entry={entry}
                  mayAnswer={may('answer')}
                  onAnswer={(answer) => inbox.answer(entry.request, answer)}
                  register={(actions) => keys.register(entry.request.request_id, actions)}
                />
              </li>
            ))}
          </ul>
        )}
        {waiting > 0 && may('answer') && <p className="hidden text-xs text-muted md:block">{texts.keys}</p>}
        <Settled except={entries} />
      </div>
    </Page>
  );
}

interface EntryViewProps {
  entry: Entry;
  mayAnswer: boolean;
  onAnswer(answer: Answer): Promise<void>;
  register(actions: RequestActions | null): void;
}

function EntryView({
  entry: { request, settlement },
  mayAnswer,
  onAnswer,
  register,
}: EntryViewProps): ReactNode {
  const navigate = useNavigate();
  if (settlement) return <SettledRow request={request} settlement={settlement} />;
  return (
    <RequestCard
      ref={register}
      request={request}
      mayAnswer={mayAnswer}
      onAnswer={onAnswer}
      onOpen={() => void navigate({ to: '/sessions/$sessionId', params: { sessionId: request.session_id } })}
    >
      <RequestHeading request={request} />
    </RequestCard>
  );
}

/** Keys go to one request: the one chosen with j and k, or the oldest. */
function useInboxKeys(entries: readonly Entry[], mayAnswer: boolean) {
  const [chosen, setChosen] = useState<string>();
  const actions = useRef(new Map<string, RequestActions>());
  const waits = entries.some(
    ({ request, settlement }) => request.request_id === chosen && settlement === undefined,
  );
  // What was chosen is settled: the keys go on with the next one.
  const next = chosen !== undefined && !waits ? step(entries, chosen, 1) : chosen;
  const onNext = useEffectEvent(() => {
    setChosen(next);
    if (next !== undefined) actions.current.get(next)?.focus();
  });
  useEffect(() => {
    if (next !== chosen) onNext();
  }, [next, chosen]);

  const act = useEffectEvent((name: Exclude<keyof RequestActions, 'focus'>) => {
    const target = chosen ?? step(entries, undefined, 1);
    if (target === undefined) return;
    setChosen(target);
    actions.current.get(target)?.[name]();
  });
  const move = useEffectEvent((by: 1 | -1) => {
    const target = step(entries, chosen, by);
    setChosen(target);
    if (target !== undefined) actions.current.get(target)?.focus();
  });
  const [commands, setCommands] = useState<readonly Command[]>([]);
  useEffect(() => {
    const of = (id: keyof typeof texts.commands, keys: string, run: () => void): Command => ({
      id: `inbox ${id}`,
      label: texts.commands[id],
      keys,
      run,
    });
    const moves = [of('next', 'j', () => move(1)), of('previous', 'k', () => move(-1))];
    const answers = [
      of('allow', 'y', () => act('allow')),
      of('deny', 'n', () => act('deny')),
      of('always', 'a', () => act('always')),
      of('message', 'm', () => act('denyWithMessage')),
    ];
    setCommands(mayAnswer ? [...answers, ...moves] : moves);
  }, [mayAnswer]);
  useCommands(commands);

  return {
    selected: chosen,
    register(id: string, given: RequestActions | null): void {
      if (given) actions.current.set(id, given);
      else actions.current.delete(id);
    },
  };
}

/** What was answered before the page was opened. */
function Settled({ except }: { except: readonly Entry[] }): ReactNode {
  const settled = useQuery({
    queryKey: ['inbox', 'settled'],
    queryFn: () => client.permissions.settled({ limit: SETTLED_SHOWN }),
  });
  const shown = useMemo(() => {
    const known = new Set(except.map(({ request }) => request.request_id));
    return (settled.data?.permissions ?? []).filter(
      (request: InboxRequest) => !known.has(request.request_id),
    );
  }, [settled.data, except]);
  if (shown.length === 0) return null;
  return (
    <details>
      <summary className="tap flex items-center text-muted">{texts.settledTitle}</summary>
      <ul className="mt-2 flex flex-col gap-2">
        {shown.map((request) => (
          <li key={request.request_id}>
            <SettledRow request={request} settlement={request} />
          </li>
        ))}
      </ul>
    </details>
  );
}
