import { useMutation, useQueryClient } from '@tanstack/react-query';
import {
  type ReactNode,
  type RefObject,
  useEffect,
  useEffectEvent,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react';
import { client, consoleUrl } from '../../api/client.ts';
import { useMe } from '../../api/me.ts';
import { sessionTexts } from '../../text/session.ts';
import { Button } from '../../ui/button.tsx';
import { type Command, useCommands } from '../../ui/commands.tsx';
import { Empty, Failure, Loading } from '../../ui/states.tsx';
import { useToasts } from '../../ui/toasts.tsx';
import { Activity } from './activity.tsx';
import { Composer } from './composer/composer.tsx';
import { useDraft } from './composer/draft.ts';
import { Queue } from './composer/queue.tsx';
import { ConversationList } from './conversation-list.tsx';
import { createFollower, type Followed } from './follow.ts';
import { RawDialog } from './raw-dialog.tsx';
import { Row } from './rows/row.tsx';
import { SessionContext, type SessionPage } from './session-context.ts';
import { SessionHeader } from './session-header.tsx';
import { sourceOf } from './source.ts';

/** A session while it is open: it follows the log for as long as it is shown. */
export function SessionView({
  sessionId,
  target,
  gone,
}: {
  sessionId: string;
  target: string | undefined;
  /** Shown when there is no such session. */
  gone: ReactNode;
}): ReactNode {
  const [follower] = useState(() => createFollower(sourceOf(client, sessionId)));
  useEffect(() => {
    follower.start();
    return () => follower.stop();
  }, [follower]);
  const followed = useSyncExternalStore(follower.subscribe, follower.current);
  const { view, phase, problem } = followed;
  const [raw, showRaw] = useState<readonly number[]>([]);
  const page = usePage(sessionId, followed, showRaw);
  const draft = useDraft(sessionId);
  const field = useRef<HTMLTextAreaElement>(null);
  const stop = useStop(page, followed, field);
  useFreshCost(sessionId, view.ended.size);

  if (phase === 'gone') return gone;
  if (phase === 'loading')
    return problem === undefined ? <Loading /> : <Failure problem={problem} retry={() => follower.start()} />;
  return (
    <SessionContext value={page}>
      <div className="flex h-full flex-col">
        <SessionHeader view={view} />
        {problem !== undefined && <Failure problem={problem} retry={() => follower.start()} />}
        <div role="status">
          {followed.connection === 'retrying' && (
            <p className="bg-warn-soft px-4 py-1 text-center text-warn">{sessionTexts.reconnecting}</p>
          )}
        </div>
        {view.items.length === 0 && !view.running ? (
          <div className="grow">
            <Empty title={sessionTexts.empty.title}>{sessionTexts.empty.hint}</Empty>
          </div>
        ) : (
          <ConversationList follower={follower} followed={followed} target={target} />
        )}
        <div className="mx-auto flex w-full max-w-4xl flex-col gap-2 px-4 pt-1 pb-3">
          <Activity view={view} />
          <Queue
            queue={view.queue}
            onEdit={(content) => {
              draft.add(content);
              field.current?.focus();
            }}
          />
          <Bottom page={page} followed={followed}>
            <Composer view={view} draft={draft} field={field} onStop={stop} />
          </Bottom>
        </div>
        <RawDialog sessionId={sessionId} seqs={raw} onClose={() => showRaw([])} />
      </div>
    </SessionContext>
  );
}

function usePage(
  sessionId: string,
  { view }: Followed,
  showRaw: (seqs: readonly number[]) => void,
): SessionPage {
  const { may } = useMe();
  const [folds] = useState(() => new Map<string, boolean>());
  const { children, ended } = view;
  const cwd = view.session?.cwd;
  const [mayUse, mayAnswer] = [may('use'), may('answer')];
  return useMemo(
    () => ({
      session: client.session(sessionId),
      cwd,
      children,
      ended,
      mayUse,
      mayAnswer,
      folds,
      showRaw,
      row: (item) => <Row item={item} />,
      linkTo: (turnId) => new URL(`sessions/${sessionId}#turn-${turnId}`, consoleUrl).href,
    }),
    [sessionId, cwd, children, ended, mayUse, mayAnswer, folds, showRaw],
  );
}

/** The commands of the page. Escape stops the running turn; what lies over the page has it first. */
function useStop(
  { session, mayUse }: SessionPage,
  { view }: Followed,
  field: RefObject<HTMLTextAreaElement | null>,
): () => void {
  const { fail } = useToasts();
  const { mutate } = useMutation({ mutationFn: () => session.interrupt(), onError: fail });
  const isRunning = view.running !== undefined && mayUse;
  const commands = useMemo<Command[]>(
    () => [
      { id: 'write', label: sessionTexts.commands.write, keys: 'w', run: () => field.current?.focus() },
      ...(isRunning ? [{ id: 'stop', label: sessionTexts.commands.stop, run: () => mutate() }] : []),
    ],
    [isRunning, mutate, field],
  );
  useCommands(commands);
  const onEscape = useEffectEvent((event: KeyboardEvent): void => {
    const isOver = document.querySelector('[role="dialog"], [role="menu"]') !== null;
    if (event.key === 'Escape' && isRunning && !isOver && !event.defaultPrevented) mutate();
  });
  useEffect(() => {
    document.addEventListener('keydown', onEscape);
    return () => document.removeEventListener('keydown', onEscape);
  }, []);
  return mutate;
}

/** The cost is asked for again when a turn is over. */
function useFreshCost(sessionId: string, ended: number): void {
  const queries = useQueryClient();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the number of turns that are over is what it waits for
  useEffect(() => {
    void queries.invalidateQueries({ queryKey: ['session', sessionId, 'usage'] });
  }, [queries, sessionId, ended]);
}

/** The composer, or why there is none. */
function Bottom({
  page,
  followed,
  children,
}: {
  page: SessionPage;
  followed: Followed;
  children: ReactNode;
}): ReactNode {
  const { fail } = useToasts();
  const reopen = useMutation({
    mutationFn: () => client.sessions.create({ resume_session_id: page.session.id }),
    onError: fail,
  });
  if (!page.mayUse) return <p className="text-center text-muted">{sessionTexts.composer.mayNot}</p>;
  if (followed.view.session?.state !== 'closed') return children;
  return (
    <div className="flex items-center justify-center gap-3 text-muted">
      {sessionTexts.composer.closed}
      <Button busy={reopen.isPending} onClick={() => reopen.mutate()}>
        {sessionTexts.composer.reopen}
      </Button>
    </div>
  );
}
