import type { InfiniteData } from '@tanstack/react-query';
import type { Session, SessionEvent } from 'claude-agent-client';
import { belongs, isActivity, isIn, type ListFilters } from './search.ts';

export interface SessionPage {
  sessions: Session[];
  next_cursor: string | null;
  has_more: boolean;
}
export type Pages = InfiniteData<SessionPage, unknown>;

/** A session as it is after an event; the same one where the event changes nothing that the list shows. */
export function afterEvent(session: Session, event: SessionEvent): Session {
  const changes = changesBy(session, event);
  return changes ? { ...session, ...changes } : session;
}

function changesBy(session: Session, event: SessionEvent): Partial<Session> | undefined {
  switch (event.type) {
    case 'session.state': {
      const { state, model, permission_mode, title, cwd } = event.data;
      return {
        state,
        current_model: model,
        permission_mode,
        title,
        status: state === 'closed' ? 'closed' : 'connected',
        ...(cwd !== undefined && { cwd }),
      };
    }
    case 'session.closed':
      return { state: 'closed', status: 'closed', tasks: [] };
    case 'session.tasks':
      return { tasks: event.data.tasks };
    case 'session.conversation':
      return { conversation_id: event.data.conversation_id };
    case 'turn.queued':
      return { message_count: session.message_count + 1, last_activity: event.at };
    case 'turn.started':
      return { last_activity: event.at };
    case 'turn.completed':
    case 'turn.failed':
    case 'turn.interrupted':
      return {
        last_activity: event.at,
        last_outcome: outcome(event.type),
        cost_usd: session.cost_usd + event.data.result.cost_usd,
      };
    default:
      return undefined;
  }
}

const outcome = (type: 'turn.completed' | 'turn.failed' | 'turn.interrupted') =>
  type === 'turn.completed' ? 'completed' : type === 'turn.failed' ? 'failed' : 'interrupted';

/** All rows in their order. A session that came up meanwhile may be on two pages: it counts where it is first. */
export function rowsOf(pages: Pages | undefined): Session[] {
  const seen = new Set<string>();
  return (pages?.pages ?? []).flatMap(({ sessions }) =>
    sessions.filter(({ session_id: id }) => !seen.has(id) && seen.add(id)),
  );
}

/**
 * The list after some events, without asking the server again.
 * @returns `missing`: sessions that did something and are not in the list, which may belong to it
 */
export function afterEvents(
  pages: Pages,
  events: readonly SessionEvent[],
  filters: ListFilters,
): { pages: Pages; missing: string[] } {
  const known = new Map(rowsOf(pages).map((session) => [session.session_id, session]));
  const changed = new Map<string, Session>();
  const up = new Set<string>();
  const missing = new Set<string>();
  for (const event of events) {
    const { session_id: id } = event;
    const before = changed.get(id) ?? known.get(id);
    if (!before) {
      if (filters.q === undefined && mayJoin(event, filters)) missing.add(id);
      continue;
    }
    const after = afterEvent(before, event);
    if (after !== before) changed.set(id, after);
    if (isActivity(event)) {
      // The newest comes last, and first in the list.
      up.delete(id);
      up.add(id);
    }
  }
  if (changed.size === 0) return { pages, missing: [...missing] };
  const stays = (session: Session): boolean => stillBelongs(session, filters);
  const top = [...up].toReversed().flatMap((id) => changed.get(id) ?? known.get(id) ?? []);
  return { pages: replaced(pages, changed, top.filter(stays), stays), missing: [...missing] };
}

/** Whether an event may bring its session into the list. Of a list of some states, only a state does. */
const mayJoin = (event: SessionEvent, { state }: ListFilters): boolean =>
  state ? event.type === 'session.state' && isIn(event.data, state) : isActivity(event);

/** Rows that change, leave, or come to the top. Pages without any of them stay the same objects. */
function replaced(
  pages: Pages,
  changed: ReadonlyMap<string, Session>,
  top: readonly Session[],
  stays: (session: Session) => boolean,
): Pages {
  const moved = new Set(top.map(({ session_id: id }) => id));
  // Those that are on top in this order already stay there.
  const isOnTop = top.every(({ session_id: id }, at) => pages.pages[0]?.sessions[at]?.session_id === id);
  const next = pages.pages.map((page, number) => {
    const first = number === 0 && top.length > 0;
    const touched = page.sessions.some(
      ({ session_id: id }) => changed.has(id) || (!isOnTop && moved.has(id)),
    );
    if (!touched && (!first || isOnTop)) return page;
    const rest = page.sessions.flatMap((session) => {
      const { session_id: id } = session;
      if (moved.has(id)) return [];
      const now = changed.get(id);
      return now === undefined ? [session] : stays(now) ? [now] : [];
    });
    return { ...page, sessions: first ? [...top, ...rest] : rest };
  });
  return { ...pages, pages: next };
}

/** The list with a session that was read: in its place if it is there, or where its last activity puts it, if it belongs there and so far is loaded. */
export function withSession(pages: Pages, session: Session, filters: ListFilters): Pages {
  const id = session.session_id;
  const isThere = pages.pages.some(({ sessions }) => sessions.some((row) => row.session_id === id));
  if (isThere) return replaced(pages, new Map([[id, session]]), [], (row) => stillBelongs(row, filters));
  if (!belongs(session, filters)) return pages;
  const isOlder = (row: Session): boolean => row.last_activity <= session.last_activity;
  const number = pages.pages.findIndex(
    ({ sessions, has_more: hasMore }) => sessions.some(isOlder) || !hasMore,
  );
  return {
    ...pages,
    pages: pages.pages.map((page, at) => {
      if (at !== number) return page;
      const place = page.sessions.findIndex(isOlder);
      return {
        ...page,
        sessions: page.sessions.toSpliced(place < 0 ? page.sessions.length : place, 0, session),
      };
    }),
  };
}

/** A session that is in the list has the text that was looked for. */
const stillBelongs = (session: Session, { q: _, ...filters }: ListFilters): boolean =>
  belongs(session, filters);

export function withoutSession(pages: Pages, sessionId: string): Pages {
  return {
    ...pages,
    pages: pages.pages.map((page) => ({
      ...page,
      sessions: page.sessions.filter(({ session_id: id }) => id !== sessionId),
    })),
  };
}
