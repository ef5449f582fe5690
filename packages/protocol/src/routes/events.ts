import { z } from 'zod';
import { endpoints } from '../endpoints.ts';
import { ControlFrame, SessionEvent, StreamFrame } from '../frames.ts';
import { queryInteger } from '../schemas/common.ts';
import { page } from '../schemas/page.ts';
import { route } from './route.ts';
import { session } from './shared.ts';

/** Both event routes stream, or give pages. */
const request = {
  query: z.object({
    after: queryInteger(0, Number.MAX_SAFE_INTEGER).optional().meta({
      description:
        'Start after this event number; `Last-Event-ID` and `cursor` take precedence. Without any of them a session starts with the oldest event that is kept, and pages of all sessions behind the newest one that was removed',
    }),
    cursor: queryInteger(0, Number.MAX_SAFE_INTEGER)
      .optional()
      .meta({ description: 'The `next_cursor` of the page before' }),
    limit: queryInteger(1, 10_000).default(500).meta({ description: 'Events per page' }),
  }),
  headers: z.object({
    accept: z.string().optional().meta({ description: '`application/json` gives pages' }),
    'last-event-id': z.string().optional().meta({ description: '`id` of the last frame that was read' }),
  }),
};
const AccessToken = z.string().max(200).optional().meta({
  description: 'A token of this session, for an EventSource: it cannot send headers',
});
const EventPage = page('events', SessionEvent)
  .extend({
    next_after: z.int().meta({ description: '`after` of the next page, also if there is nothing more yet' }),
  })
  .meta({ id: 'EventPage' });

/** The event logs, as streams and as pages. */
export const eventRoutes = {
  sessionEvents: route({
    ...endpoints.sessionEvents,
    access: { may: 'read', of: 'session' },
    reads: 'store',
    tag: 'events',
    summary: "A session's events: a stream, or pages with `Accept: application/json`",
    ...session,
    ...request,
    query: request.query.extend({ access_token: AccessToken }),
    responses: {
      200: {
        description: 'SSE: `id` is the seq, `data` the event; live-only frames have no id',
        schema: EventPage,
        frames: StreamFrame,
      },
    },
    problems: ['session_not_found', 'events_compacted'],
    raw: true,
  }),
  allEvents: route({
    ...endpoints.allEvents,
    access: { may: 'read', of: 'tenant' },
    tag: 'events',
    summary: 'Control events of all sessions on one stream; starts now, or after a cursor',
    ...request,
    responses: {
      200: {
        description:
          'SSE: `id` is a cursor over all sessions, `data` the event. That a session was erased is told by the node that does it, live only',
        schema: EventPage,
        frames: ControlFrame,
      },
    },
    problems: ['events_compacted'],
    raw: true,
  }),
};
