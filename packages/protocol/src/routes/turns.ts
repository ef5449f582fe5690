import { z } from 'zod';
import { endpoints } from '../endpoints.ts';
import { StreamFrame } from '../frames.ts';
import { SessionId, TurnId } from '../schemas/common.ts';
import {
  HistoryMessage,
  SendMessage,
  Turn,
  TurnAccepted,
  TurnResult,
  TurnState,
} from '../schemas/message.ts';
import { page, pageOffset, pageQuery } from '../schemas/page.ts';
import { route } from './route.ts';
import { SHARED, STARTING, session } from './shared.ts';

const turn = { params: z.object({ session_id: SessionId, turn_id: TurnId }) };

const sent = {
  Location: 'The path of the turn',
  'Message-Id': 'With `when_busy: "steer"`: the id of a message that was given to the running turn',
  'Idempotent-Replayed': '`true` if the key was used before: this is the turn that it started',
};

/** Messages and the turns that they make. */
export const turnRoutes = {
  sendMessage: route({
    ...endpoints.sendMessage,
    access: { may: 'use', of: 'session' },
    tag: 'messages',
    summary: 'Send a message: wait for the answer, stream it, or let it run',
    ...session,
    headers: z.object({
      accept: z.string().optional().meta({ description: '`text/event-stream` streams the turn' }),
      prefer: z.string().optional().meta({ description: '`respond-async` answers 202 at once' }),
      'idempotency-key': z.string().min(1).max(255).optional().meta({
        description: 'The same key and body give the same turn; another body is refused',
      }),
    }),
    body: SendMessage,
    responses: {
      200: { description: 'How the turn ended', schema: TurnResult, frames: StreamFrame, headers: sent },
      202: {
        description: 'Accepted; the turn runs on',
        schema: TurnAccepted,
        headers: { ...sent, 'Preference-Applied': '`respond-async`' },
      },
    },
    problems: [
      ...STARTING,
      ...SHARED,
      'session_busy',
      'idempotency_conflict',
      'message_refused',
      'queue_full',
      'queue_limit',
      'token_limit',
      'spend_limit',
      'turn_not_found',
      'events_compacted',
    ],
    raw: true,
  }),
  listMessages: route({
    ...endpoints.listMessages,
    access: { may: 'read', of: 'session' },
    reads: 'store',
    tag: 'messages',
    summary: 'The history of the current conversation, or of an earlier one',
    ...session,
    query: z.object({
      ...pageQuery,
      offset: pageOffset,
      conversation_id: z.string().optional().meta({ description: 'Another conversation of the session' }),
    }),
    responses: {
      200: {
        description: 'Oldest first; `conversations` lists those of the session, the current one last',
        schema: page('messages', HistoryMessage)
          .extend({
            conversation_id: z.string(),
            conversations: z.array(z.string()),
            truncated: z.boolean().meta({
              description: "Older messages of this conversation were removed with the log's oldest events",
            }),
          })
          .meta({ id: 'HistoryPage' }),
      },
    },
    problems: ['session_not_found', 'conversation_not_found', 'cursor_invalid'],
  }),
  listTurns: route({
    ...endpoints.listTurns,
    access: { may: 'read', of: 'session' },
    reads: 'store',
    tag: 'messages',
    summary: 'List turns, oldest first',
    ...session,
    query: z.object({
      ...pageQuery,
      after: TurnId.optional().meta({ description: 'Turns after this one; `cursor` takes precedence' }),
      state: TurnState.optional().meta({ description: 'Only turns in this state' }),
    }),
    responses: { 200: { description: 'One page', schema: page('turns', Turn).meta({ id: 'TurnPage' }) } },
    problems: ['session_not_found', 'turn_not_found', 'cursor_invalid'],
  }),
  getTurn: route({
    ...endpoints.getTurn,
    access: { may: 'read', of: 'session' },
    reads: 'store',
    tag: 'messages',
    summary: 'One turn and its result',
    ...turn,
    responses: { 200: { description: 'The turn', schema: Turn } },
    problems: ['session_not_found', 'turn_not_found'],
  }),
  cancelTurn: route({
    ...endpoints.cancelTurn,
    access: { may: 'use', of: 'session' },
    tag: 'messages',
    summary: 'Cancel a message that is still queued',
    ...turn,
    responses: {
      200: { description: 'Cancelled; its waiting callers get the code `cancelled`', schema: Turn },
    },
    problems: ['session_not_found', 'turn_not_found', 'turn_not_queued'],
  }),
};
