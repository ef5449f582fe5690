import { routes } from 'claude-agent-protocol';
import type { Hono } from 'hono';
import { scopeOf } from '../../access/principal.ts';
import { problem } from '../../errors.ts';
import { eventJson } from '../../events/frames.ts';
import { streamAll, streamSession } from '../../events/stream.ts';
import type { StoredEvent } from '../../store/store.ts';
import type { HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { mount } from '../mount.ts';
import { sseResponse, startAfter, wantsJson } from '../sse.ts';

export function eventRoutes(app: Hono<HttpEnv>, { sessions, store, feed }: AppDeps): void {
  mount(app, routes.sessionEvents, async ({ params, query, headers }) => {
    const { record } = await sessions.look(params.session_id);
    const { id } = record;
    const { limit } = query;
    const asked = startAfter(headers['last-event-id'], query.cursor ?? query.after);
    const after = asked ?? (await store.firstSeq(id)) - 1;
    const events = wantsJson(headers.accept) ? await store.readEvents(id, after, limit + 1) : undefined;
    // Asked after the read: what was removed before it is missing there.
    const first = await store.firstSeq(id);
    if (after < first - 1) throw problem('events_compacted', { sessionId: id, params: { first_seq: first } });
    if (events) return page(events, limit, after, (event) => event.seq);
    // A cursor beyond the end (from another database, say) must not hide new events.
    const lastSeq = (await store.getSession(id))?.lastSeq ?? 0;
    return sseResponse(streamSession({ store, feed }, { sessionId: id, after: Math.min(after, lastSeq) }));
  });

  mount(app, routes.allEvents, async ({ query, headers }, c) => {
    const { limit } = query;
    const scope = scopeOf(c.get('principal'));
    const after = startAfter(headers['last-event-id'], query.cursor ?? query.after);
    const from = after ?? (await store.trimmedCursor());
    const events = wantsJson(headers.accept)
      ? await store.readControlEvents(from, limit + 1, scope)
      : undefined;
    // Asked after the read, as above.
    const cut = await store.trimmedCursor();
    if (from < cut) throw problem('events_compacted', { params: { after: cut } });
    if (events) return page(events, limit, from, (event) => event.cursor);
    // Only a given cursor can lie beyond the end.
    const start = after === undefined ? undefined : Math.min(after, await store.lastCursor());
    return sseResponse(await streamAll({ store, feed }, { after: start, scope }));
  });
}

/** One page, as `pageOf` makes them, but of the JSON that the store holds; `more` has one event beyond it if there is one. */
function page(
  more: StoredEvent[],
  limit: number,
  after: number,
  position: (event: StoredEvent) => number,
): Response {
  const events = more.slice(0, limit);
  const last = events.at(-1);
  const next = last ? position(last) : after;
  const hasMore = more.length > limit;
  const place = `"next_after":${next},"next_cursor":${hasMore ? `"${next}"` : null},"has_more":${hasMore}`;
  const json = `{"events":[${events.map(eventJson).join(',')}],${place}}`;
  return new Response(json, { headers: { 'content-type': 'application/json' } });
}
