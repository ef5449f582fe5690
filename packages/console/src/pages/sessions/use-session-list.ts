import { keepPreviousData, type QueryClient, useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { isProblem, type Session, type SessionEvent } from 'claude-agent-client';
import { useEffect, useMemo } from 'react';
import { client } from '../../api/client.ts';
import { useLiveEvents } from '../../api/live-context.tsx';
import {
  afterEvents,
  type Pages,
  rowsOf,
  type SessionPage,
  withoutSession,
  withSession,
} from './live-list.ts';
import type { ListFilters } from './search.ts';

const PAGE_SIZE = 100;
/** Events are put into the list together: a busy server writes hundreds in a second. */
const TOGETHER_MS = 100;
/** When more sessions than this are new at once, the list is read again. */
const MOST_READ_SINGLY = 20;

/** A page is asked for by the cursor of the one before. */
const FIRST: string | undefined = undefined;

const keyOf = (filters: ListFilters) => ['session-list', filters] as const;

export interface SessionList {
  rows: Session[];
  /** Whether there are more than are loaded. */
  hasMore: boolean;
  isLoading: boolean;
  isLoadingMore: boolean;
  /** What is shown belongs to the filters from before. */
  isStale: boolean;
  error: unknown;
  loadMore(): void;
  retry(): void;
}

/** The sessions that fit the filters, kept up to date by the stream of events. */
export function useSessionList(filters: ListFilters): SessionList {
  const queries = useQueryClient();
  const live = useMemo(() => createLiveList(queries, filters), [queries, filters]);
  useEffect(() => () => live.stop(), [live]);
  useLiveEvents(live.take, live.erased);
  const query = useInfiniteQuery({
    queryKey: keyOf(filters),
    queryFn: ({ pageParam, signal }) =>
      live.reading(() =>
        client.sessions.list({ ...filters, limit: PAGE_SIZE, ...cursorOf(pageParam) }, { signal }),
      ),
    initialPageParam: FIRST,
    getNextPageParam: (last: SessionPage) => last.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    // Every page that is loaded would be read again; events keep them up to date.
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });
  const { fetchNextPage, refetch } = query;
  const rows = useMemo(() => rowsOf(query.data), [query.data]);
  return {
    rows,
    hasMore: query.hasNextPage,
    isLoading: query.isPending,
    isLoadingMore: query.isFetchingNextPage,
    isStale: query.isPlaceholderData,
    error: query.error,
    loadMore: () => {
      if (query.hasNextPage && !query.isFetching) void fetchNextPage();
    },
    retry: () => void (query.data ? fetchNextPage() : refetch()),
  };
}

const cursorOf = (cursor: string | undefined) => (cursor === undefined ? {} : { cursor });

interface LiveList {
  take(event: SessionEvent): void;
  erased(sessionId: string): void;
  /** Reads a page. What events tell meanwhile may be missing in it, so their sessions are read once more. */
  reading(read: () => Promise<SessionPage>): Promise<SessionPage>;
  stop(): void;
}

function createLiveList(queries: QueryClient, filters: ListFilters): LiveList {
  const key = keyOf(filters);
  let events: SessionEvent[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** Sessions that events were about while a page was read. */
  const readings = new Set<Set<string>>();
  const update = (change: (pages: Pages) => Pages): void => {
    queries.setQueryData<Pages>(key, (pages) => pages && change(pages));
  };

  const readSessions = async (ids: readonly string[]): Promise<void> => {
    if (ids.length > MOST_READ_SINGLY) return queries.invalidateQueries({ queryKey: key });
    await Promise.all(
      ids.map(async (id) => {
        try {
          const session = await client.session(id).info();
          update((pages) => withSession(pages, session, filters));
        } catch (error) {
          if (isProblem(error, 'session_not_found')) update((pages) => withoutSession(pages, id));
        }
      }),
    );
  };

  const flush = (): void => {
    timer = undefined;
    const batch = events;
    events = [];
    const pages = queries.getQueryData<Pages>(key);
    if (!pages) return;
    const after = afterEvents(pages, batch, filters);
    if (after.pages !== pages) queries.setQueryData(key, after.pages);
    if (after.missing.length > 0) void readSessions(after.missing);
  };

  return {
    take(event) {
      for (const touched of readings) touched.add(event.session_id);
      events.push(event);
      timer ??= setTimeout(flush, TOGETHER_MS);
    },
    erased: (id) => update((pages) => withoutSession(pages, id)),
    async reading(read) {
      const touched = new Set<string>();
      readings.add(touched);
      try {
        const page = await read();
        const doubtful = page.sessions.filter(({ session_id: id }) => touched.has(id));
        // After the page has become part of the list.
        if (doubtful.length > 0) {
          setTimeout(() => void readSessions(doubtful.map(({ session_id: id }) => id)), TOGETHER_MS);
        }
        return page;
      } finally {
        readings.delete(touched);
      }
    },
    stop() {
      // Nobody keeps it up to date from now on: its beginning is shown first when the reader comes back, and read again.
      update(({ pages, pageParams }) => ({ pages: pages.slice(0, 1), pageParams: pageParams.slice(0, 1) }));
      void queries.invalidateQueries({ queryKey: key, refetchType: 'none' });
      clearTimeout(timer);
      timer = undefined;
      events = [];
    },
  };
}

/** Puts what an action has changed into every list that was loaded. */
export function useListUpdates() {
  const queries = useQueryClient();
  return useMemo(() => {
    const all = (change: (pages: Pages, filters: ListFilters) => Pages): void => {
      for (const query of queries.getQueryCache().findAll({ queryKey: ['session-list'] })) {
        const filters = query.queryKey[1] as ListFilters;
        queries.setQueryData<Pages>(query.queryKey, (pages) => pages && change(pages, filters));
      }
    };
    return {
      put: (session: Session) => all((pages, filters) => withSession(pages, session, filters)),
      remove: (id: string) => all((pages) => withoutSession(pages, id)),
    };
  }, [queries]);
}
