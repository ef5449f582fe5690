import { EVENTS, type EventType, type LiveData, type LiveType } from 'claude-agent-protocol';
import { z } from 'zod';
import type { Owned, StoredEvent } from '../store/store.ts';

/** A message that is sent and not stored: a token delta (`stream_event`), or progress. */
export type LiveMessage = LiveData<'agent.delta'>;

/** The fields of the SDK's streaming message that this server reads. */
export interface StreamEventMessage {
  type: 'stream_event';
  parent_tool_use_id: string | null;
  event: {
    type: string;
    index?: number;
    message?: { id: string };
    content_block?: { type: string; text?: string; thinking?: string; name?: string; id?: string };
    delta?: { type: string; text?: string; thinking?: string; partial_json?: string };
  };
}

/** What subscribers get: a durable event, or a live message. */
export type Frame =
  | { durable: true; turnId: string | null; event: StoredEvent }
  | { durable: false; turnId: string | null; type: 'agent.delta'; message: LiveMessage }
  | { durable: false; turnId: string | null; type: 'agent.partial'; message: LiveData<'agent.partial'> }
  | ErasedFrame;

/** Tells the readers of all sessions that one was erased. `of`: whose it was. */
export interface ErasedFrame {
  durable: false;
  turnId: null;
  type: 'session.erased';
  message: LiveData<'session.erased'>;
  sessionId: string;
  of: Owned | undefined;
}

/** An event as its subscribers get it. */
export const durableFrame = (event: StoredEvent): Frame => ({ durable: true, turnId: event.turnId, event });

/** An event as JSON text, from its encoded parts. */
export function eventJson(event: StoredEvent): string {
  const turn = event.turnId === null ? 'null' : `"${event.turnId}"`;
  return `{"seq":${event.seq},"at":"${event.at}","session_id":"${event.sessionId}","turn_id":${turn},"type":"${event.type}","data":${event.json}}`;
}

/** The inverse: an event of another node's stream. Its cursor is not in there. */
export function readEvent(text: string): StoredEvent {
  // Nothing before the data can contain this text: numbers, ids, a time and a type.
  const at = text.indexOf(DATA);
  const { seq, turn_id, session_id, ...rest } = Head.parse(JSON.parse(`${text.slice(0, at)}}`));
  const json = text.slice(at + DATA.length, -1);
  return { ...rest, seq, sessionId: session_id, turnId: turn_id, json, cursor: 0 };
}

const DATA = ',"data":';
const Head = z.object({
  seq: z.int(),
  at: z.string(),
  session_id: z.string(),
  turn_id: z.string().nullable(),
  type: z.custom<EventType>((type) => typeof type === 'string' && Object.hasOwn(EVENTS, type)),
});

/** An event as an SSE frame. `id` is its number in the session, or its cursor on the global stream. */
export function eventFrame(event: StoredEvent, id: number): string {
  return `id: ${id}\nevent: ${event.type}\ndata: ${eventJson(event)}\n\n`;
}

/** A live-only SSE frame: without an id, so that `Last-Event-ID` always names something durable. */
export function liveFrame<T extends LiveType>(
  type: T,
  sessionId: string,
  turnId: string | null,
  data: LiveData<T>,
): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, session_id: sessionId, turn_id: turnId, data })}\n\n`;
}
