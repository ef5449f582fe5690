import { z } from 'zod';
import { EVENTS, type EventData, type EventType, LIVE_FRAMES, type LiveType } from './events.ts';
import { SessionId, Timestamp, TurnId } from './schemas/common.ts';

const frame = { session_id: SessionId, turn_id: TurnId.nullable() };

/** `turn.completed` is `TurnCompletedEvent` in the documentation. */
const nameOf = (type: string): string =>
  `${type.replaceAll(/(?:^|[._])(\w)/g, (_, letter: string) => letter.toUpperCase())}Event`;

const durable = <T extends EventType>(type: T) =>
  z
    .object({
      seq: z.int().min(1).meta({ description: 'Number in the session: starts at 1, without gaps' }),
      at: Timestamp,
      ...frame,
      type: z.literal(type),
      data: EVENTS[type],
    })
    .meta({ id: nameOf(type) });

type Envelope = Omit<z.output<ReturnType<typeof durable>>, 'type' | 'data'>;
/** A durable event of a session's log. */
export type SessionEvent = { [T in EventType]: Envelope & { type: T; data: EventData<T> } }[EventType];

const [first, ...others] = (Object.keys(EVENTS) as EventType[]).map(durable) as [
  ReturnType<typeof durable>,
  ...ReturnType<typeof durable>[],
];
// The members are mapped from the catalogue: the compiler keeps their types in the type above, not in the value.
export const SessionEvent = z
  .discriminatedUnion('type', [first, ...others])
  .meta({ id: 'SessionEvent' }) as unknown as z.ZodType<SessionEvent>;

/** All events but `agent.message`: what inboxes and consoles need of every session. */
export type ControlEvent = Exclude<SessionEvent, { type: 'agent.message' }>;

const live = <T extends LiveType>(type: T) =>
  z.object({ type: z.literal(type), ...frame, data: LIVE_FRAMES[type] });

/** Live only: a token delta as the SDK gives it. */
export const DeltaFrame = live('agent.delta').meta({ id: 'DeltaFrame' });
export type DeltaFrame = z.infer<typeof DeltaFrame>;

/** Live only: the content so far of the blocks that are being written, for a reader who joins in the middle. */
export const PartialFrame = live('agent.partial').meta({ id: 'PartialFrame' });
export type PartialFrame = z.infer<typeof PartialFrame>;

/** Live only: the session was erased, and its events with it. The last frame of its own stream. */
const ErasedFrame = live('session.erased').meta({ id: 'SessionErasedFrame' });

/** All that a session's SSE stream can carry. */
export const StreamFrame = z
  .union([SessionEvent, DeltaFrame, PartialFrame, ErasedFrame])
  .meta({ id: 'StreamFrame' });
export type StreamFrame = SessionEvent | DeltaFrame | PartialFrame | z.infer<typeof ErasedFrame>;

/** All that the SSE stream of all sessions can carry. */
export const ControlFrame = z.union([SessionEvent, ErasedFrame]).meta({ id: 'ControlFrame' });
