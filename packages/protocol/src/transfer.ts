import { z } from 'zod';
import { EVENTS, type EventType } from './events.ts';
import { JsonObject, Timestamp, TurnId } from './schemas/common.ts';
import { TurnInitiator, TurnResult, TurnState, UserInput, WaitFor } from './schemas/message.ts';
import { PermissionMode, SessionOptions } from './schemas/options.ts';
import { ModelUsage } from './schemas/session.ts';

const count = z.int().min(0);

/** The first line of an exported session. */
const ExportedSession = z.object({
  kind: z.literal('session'),
  format: z.literal(1),
  session_id: z.uuid(),
  created_at: Timestamp,
  last_activity: Timestamp,
  title: z.string().nullable(),
  metadata: JsonObject,
  cwd: z.string().min(1),
  model: z.string().nullable(),
  permission_mode: PermissionMode,
  options: SessionOptions,
  message_count: count,
  conversation_id: z.uuid(),
  has_transcript: z.boolean(),
  transcript_seen: count.nullable(),
  forked_from: z.string().nullable(),
  last_seq: count,
});

const ExportedTurn = z.object({
  kind: z.literal('turn'),
  turn_id: TurnId,
  state: TurnState.exclude(['queued', 'running']),
  initiator: TurnInitiator,
  message: UserInput,
  idempotency_key: z.string().nullable(),
  input_hash: z.string(),
  wait_for: WaitFor,
  created_at: Timestamp,
  started_at: Timestamp.nullable(),
  ended_at: Timestamp.nullable(),
  settled_at: Timestamp.nullable(),
  steers: TurnId.nullable(),
  continued_as: TurnId.nullable(),
  result: TurnResult.nullable().meta({ description: 'null for a message that a running turn took in' }),
});

/** One line of an exported session; the session comes first. */
export const ExportLine = z.discriminatedUnion('kind', [
  ExportedSession,
  z.object({
    kind: z.literal('conversation'),
    conversation_id: z.uuid(),
    after_seq: count,
    from_disk: z.boolean(),
  }),
  ExportedTurn,
  z.object({
    kind: z.literal('event'),
    seq: z.int().min(1),
    at: Timestamp,
    turn_id: TurnId.nullable(),
    type: z.enum(Object.keys(EVENTS) as [EventType, ...EventType[]]),
    data: JsonObject,
  }),
  ModelUsage.extend({ kind: z.literal('usage'), model: z.string() }),
  z.object({
    kind: z.literal('file'),
    conversation_id: z.uuid(),
    path: z.string().regex(/^([\w-][\w.-]*\/)*[\w-][\w.-]*$/, 'must be a path of plain names'),
    part: count
      .default(0)
      .meta({ description: 'A long file comes in several parts, in order; 0 is its beginning' }),
    text: z.string(),
  }),
]);
export type ExportLine = z.output<typeof ExportLine>;

/** An imported session. It is closed: a resume opens it. */
export const SessionImported = z
  .object({ session_id: z.uuid(), status: z.literal('closed'), cwd: z.string(), turns: count, events: count })
  .meta({ id: 'SessionImported' });
