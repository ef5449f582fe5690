import { Link } from '@tanstack/react-router';
import type { Session } from 'claude-agent-client';
import { memo, type ReactNode } from 'react';
import { formatCost } from '../../format/format.ts';
import { sessionsTexts as texts } from '../../text/sessions.ts';
import { Ago } from '../../ui/ago.tsx';
import { Badge } from '../../ui/badge.tsx';
import type { RowActions } from './actions.ts';
import { shortPath, shownState, TONES, titleOf } from './list-state.ts';
import { RowMenu } from './row-menu.tsx';
import { formatTag, tagsOf } from './search.ts';

/** The heights of a row, in pixels: fixed, so that a list of thousands needs no measuring. */
export const ROW_HEIGHT = { wide: 54, phone: 80 } as const;

/** Columns of a wide screen; the header of the list has the same. */
export const COLUMNS =
  'md:grid md:grid-cols-[8.5rem_minmax(0,1fr)_minmax(6rem,12rem)_6rem_7.5rem_2.25rem] md:items-center md:gap-3';

/** One session: a line on a wide screen, a card on a phone. The title's link covers all of it but the menu. */
export const SessionRow = memo(function SessionRow({
  session,
  actions,
}: {
  session: Session;
  actions: RowActions;
}): ReactNode {
  const state = shownState(session);
  const model = session.current_model ?? texts.noModel;
  return (
    <div
      className={`relative flex h-full flex-col justify-center gap-1 border-b px-4 hover:bg-hover focus-within:bg-hover ${COLUMNS}`}
    >
      <div className="order-2 flex items-center gap-2 md:order-none">
        <Badge tone={TONES[state]}>{texts.state[state]}</Badge>
        <span className="flex min-w-0 gap-2 text-xs text-muted md:hidden">
          <span className="truncate">{model}</span>
          <span>{formatCost(session.cost_usd)}</span>
          <Ago at={session.last_activity} />
        </span>
      </div>
      <div className="order-1 min-w-0 pr-12 md:order-none md:pr-0">
        <Link
          to="/sessions/$sessionId"
          params={{ sessionId: session.session_id }}
          data-session={session.session_id}
          className="block truncate font-medium outline-offset-[-2px] after:absolute after:inset-0"
        >
          {titleOf(session)}
        </Link>
        <Details session={session} />
      </div>
      <span className="hidden truncate text-muted md:block" title={model}>
        <span className="sr-only">{texts.columns.model}: </span>
        {model}
      </span>
      <span className="hidden text-right whitespace-nowrap tabular-nums md:block">
        <span className="sr-only">{texts.columns.cost}: </span>
        {formatCost(session.cost_usd)}
      </span>
      <span className="hidden text-right text-muted md:block">
        <span className="sr-only">{texts.columns.activity}: </span>
        <Ago at={session.last_activity} />
      </span>
      <div className="absolute top-1/2 right-1 z-1 -translate-y-1/2 md:relative md:top-0 md:right-0 md:translate-none">
        <RowMenu session={session} actions={actions} />
      </div>
    </div>
  );
});

/** Where it works, what runs in the background, and its tags. */
function Details({ session }: { session: Session }): ReactNode {
  const { cwd, workspace, tasks, metadata } = session;
  const place = workspace?.git ?? shortPath(cwd);
  return (
    <p className="flex gap-2 truncate text-xs text-muted">
      <span className="truncate" title={cwd}>
        {place}
      </span>
      {tasks.length > 0 && (
        <span className="shrink-0 text-info" title={tasks.map(({ description }) => description).join('\n')}>
          {texts.tasks(tasks.length)}
        </span>
      )}
      {tagsOf({ metadata })
        .slice(0, 3)
        .map(([name, value]) => (
          <span key={name} className="hidden max-w-40 shrink-0 truncate sm:inline">
            {formatTag(name, value)}
          </span>
        ))}
    </p>
  );
}
