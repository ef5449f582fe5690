import { useNavigate, useSearch } from '@tanstack/react-router';
import type { Session } from 'claude-agent-client';
import { EllipsisVertical, Plus } from 'lucide-react';
import { type ReactNode, type RefObject, Suspense, useMemo, useRef, useState } from 'react';
import { loadLater } from '../../api/load-later.ts';
import { useMe } from '../../api/me.ts';
import { sessionsTexts as texts } from '../../text/sessions.ts';
import { Button, IconButton } from '../../ui/button.tsx';
import { type Command, useCommands } from '../../ui/commands.tsx';
import { Menu } from '../../ui/menu.tsx';
import { useTitle } from '../../ui/page.tsx';
import { Empty, Failure, Loading } from '../../ui/states.tsx';
import { useToasts } from '../../ui/toasts.tsx';
import type { RowActions, SessionDialog } from './actions.ts';
import { FilterBar } from './filter-bar.tsx';
import { FirstSteps } from './first-steps.tsx';
import { filtersOf, formatTag, type SessionsSearch, tagsOf } from './search.ts';
import { SessionRows } from './session-list.tsx';
import { useResume } from './use-resume.ts';
import { type SessionList, useSessionList } from './use-session-list.ts';

const Dialogs = loadLater(() => import('./dialogs/dialogs.tsx'));
/** So many folders and tags are offered as filters. */
const OFFERED = 30;

/** All sessions that the reader may see: find one, start one, go on with one. */
export function SessionsPage(): ReactNode {
  useTitle(texts.title);
  const search = useSearch({ from: '/sessions' });
  const { q, status, state, cwd, tag } = search;
  const filters = useMemo(
    () =>
      filtersOf({
        ...(q !== undefined && { q }),
        ...(status && { status }),
        ...(state && { state }),
        ...(cwd !== undefined && { cwd }),
        ...(tag !== undefined && { tag }),
      }),
    [q, status, state, cwd, tag],
  );
  const list = useSessionList(filters);
  const change = useChange();
  const input = useRef<HTMLInputElement>(null);
  const [about, setAbout] = useState<{ dialog: SessionDialog; session: Session }>();
  const actions = useRowActions(setAbout);
  usePageCommands(input);
  const choices = useMemo(() => choicesOf(list.rows), [list.rows]);
  return (
    <div className="flex h-full flex-col">
      <header className="flex items-center gap-2 border-b px-4 py-2.5">
        <h1 className="grow text-lg font-semibold">{texts.title}</h1>
        <PageActions />
      </header>
      <FilterBar search={search} {...choices} input={input} onChange={change} />
      <Content list={list} search={search} actions={actions} />
      <Suspense>
        {(search.dialog || about) && (
          <Dialogs
            page={search.dialog}
            about={about}
            cwd={search.cwd}
            close={() => {
              setAbout(undefined);
              if (search.dialog) change({ dialog: undefined });
            }}
          />
        )}
      </Suspense>
    </div>
  );
}

function Content({
  list,
  search,
  actions,
}: {
  list: SessionList;
  search: SessionsSearch;
  actions: RowActions;
}): ReactNode {
  if (list.isLoading) return <Loading />;
  if (list.rows.length > 0) return <SessionRows list={list} actions={actions} />;
  if (list.error) return <Failure problem={list.error} retry={list.retry} />;
  const { dialog: _, ...filters } = search;
  return Object.keys(filters).length > 0 ? <NothingFits filters={filters} /> : <NoSessions />;
}

function NothingFits({ filters }: { filters: SessionsSearch }): ReactNode {
  const navigate = useNavigate();
  const { state, ...others } = filters;
  const isOnly = Object.keys(others).length === 0;
  const { none, nothingWaits, nothingRuns } = texts.empty;
  return (
    <Empty
      title={
        isOnly && state === 'waiting' ? nothingWaits : isOnly && state === 'running' ? nothingRuns : none
      }
    >
      <Button onClick={() => void navigate({ to: '/sessions' })}>{texts.filters.clear}</Button>
    </Empty>
  );
}

function NoSessions(): ReactNode {
  const { may } = useMe();
  const change = useChange();
  if (!may('use')) return <Empty title={texts.empty.title}>{texts.empty.viewer}</Empty>;
  return (
    <Empty title={texts.empty.title}>
      <p>{texts.empty.hint}</p>
      <div className="flex flex-wrap justify-center gap-2">
        <Button look="primary" onClick={() => change({ dialog: 'create' })}>
          {texts.create}
        </Button>
        <Button onClick={() => change({ dialog: 'resume' })}>{texts.resume}</Button>
      </div>
      <FirstSteps />
    </Empty>
  );
}

/** What can be begun from here, for those who may. */
function PageActions(): ReactNode {
  const { may } = useMe();
  const change = useChange();
  if (!may('use')) return null;
  return (
    <>
      <Button look="primary" onClick={() => change({ dialog: 'create' })}>
        <Plus aria-hidden size={16} />
        {texts.create}
      </Button>
      <Menu
        trigger={<IconButton label={texts.more} icon={<EllipsisVertical aria-hidden size={16} />} />}
        groups={[
          [
            { label: texts.resume, onSelect: () => change({ dialog: 'resume' }) },
            { label: texts.import, onSelect: () => change({ dialog: 'import' }) },
          ],
        ]}
      />
    </>
  );
}

type Change = { [K in keyof SessionsSearch]?: SessionsSearch[K] | string | undefined };

/** Changes what stands in the address. A dialog is a step that the way back undoes; a filter is not. */
function useChange(): (change: Change) => void {
  const navigate = useNavigate();
  return useMemo(
    () => (change) => {
      void navigate({
        to: '/sessions',
        search: (before) => ({ ...before, ...change }) as SessionsSearch,
        replace: change.dialog === undefined,
      });
    },
    [navigate],
  );
}

function useRowActions(open: (about: { dialog: SessionDialog; session: Session }) => void): RowActions {
  const change = useChange();
  const { fail } = useToasts();
  const { mutate } = useResume();
  return useMemo(
    () => ({
      open: (dialog, session) => open({ dialog, session }),
      resume: ({ session_id: id }) => mutate({ id }, { onError: fail }),
      filter: change,
    }),
    [open, change, mutate, fail],
  );
}

function usePageCommands(input: RefObject<HTMLInputElement | null>): void {
  const { may } = useMe();
  const change = useChange();
  const mayUse = may('use');
  const commands = useMemo<Command[]>(
    () => [
      { id: 'sessions.search', label: texts.keys.search, keys: '/', run: () => input.current?.focus() },
      ...(['waiting', 'running'] as const).map((state) => ({
        id: `sessions.${state}`,
        label: texts.keys[state],
        run: () => change({ state, status: undefined }),
      })),
      ...(mayUse
        ? [
            {
              id: 'sessions.create',
              label: texts.create,
              keys: 'c',
              run: () => change({ dialog: 'create' }),
            },
            { id: 'sessions.resume', label: texts.resume, run: () => change({ dialog: 'resume' }) },
            { id: 'sessions.import', label: texts.import, run: () => change({ dialog: 'import' }) },
          ]
        : []),
    ],
    [mayUse, change, input],
  );
  useCommands(commands);
}

function choicesOf(rows: readonly Session[]): { folders: string[]; tags: string[] } {
  const folders = new Set(rows.map(({ cwd }) => cwd));
  const tags = new Set(rows.flatMap((row) => tagsOf(row).map(([name, value]) => formatTag(name, value))));
  return { folders: [...folders].slice(0, OFFERED), tags: [...tags].slice(0, OFFERED) };
}
