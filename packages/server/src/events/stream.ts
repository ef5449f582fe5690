import { isTurnEnd } from 'claude-agent-protocol';
import type { Store, StoredEvent } from '../store/store.ts';
import {
  type Batch,
  encodeForEveryone,
  encodeForSession,
  type Feed,
  type Joined,
  type Subscriber,
} from './feed.ts';
import { type Frame, liveFrame } from './frames.ts';

/** Events read from the store at a time while a reader catches up. */
const PAGE = 500;
/** A reader this far behind is cut off and comes back with Last-Event-ID: 4 MiB is about 10,000 deltas. */
const MAX_BEHIND_BYTES = 4 * 1024 * 1024;
/** The old events go out in pieces of about this size, each when the reader has taken the one before. */
const PIECE_BYTES = 64 * 1024;
/** Proxies close silent connections after 30 to 60 seconds. */
const KEEP_ALIVE_MS = 15_000;

const CONNECTED = Buffer.from(': connected\n\n');
const KEEP_ALIVE = Buffer.from(': keep-alive\n\n');

export interface StreamDeps {
  store: Store;
  feed: Feed;
}

/** A session's events as an SSE body: the stored ones after `after`, then what happens. Does not end by itself. */
export function streamSession(
  { store, feed }: StreamDeps,
  { sessionId, after }: { sessionId: string; after: number },
): ReadableStream<Uint8Array> {
  return openStream({
    after,
    head: () => feed.head(sessionId),
    join: (subscriber) => feed.join(sessionId, subscriber),
    read: (from, limit) => store.readEvents(sessionId, from, limit),
    position: (event) => event.seq,
    encode: (frame) => encodeForSession(sessionId, frame),
    partial: ({ turnId, blocks }) => liveFrame('agent.partial', sessionId, turnId, { blocks }),
  });
}

/**
 * One turn's events as an SSE body, from `turn.queued` (whose number is `start`) to the turn's end.
 * @param all to the end of its background work: with what happens outside turns, and in the agent's own
 */
export function streamTurn(
  { store, feed }: StreamDeps,
  {
    sessionId,
    turnId,
    start,
    all = false,
  }: { sessionId: string; turnId: string; start: number; all?: boolean },
): ReadableStream<Uint8Array> {
  /** The turns that the agent began by itself since. */
  const own = new Set<string>();
  const isOurs = (frame: Frame): boolean => {
    if (frame.turnId === turnId) return true;
    if (!all) return false;
    if (frame.turnId === null) return true;
    if (frame.durable && frame.event.type === 'turn.started' && frame.event.json.startsWith(OWN_TURN)) {
      own.add(frame.turnId);
    }
    return own.has(frame.turnId);
  };
  return openStream({
    after: start - 1,
    head: () => feed.head(sessionId),
    join: (subscriber) => feed.join(sessionId, subscriber),
    read: (from, limit) => store.readEvents(sessionId, from, limit),
    position: (event) => event.seq,
    encode: (frame) => encodeForSession(sessionId, frame),
    partial: (joined) =>
      joined.turnId === turnId
        ? liveFrame('agent.partial', sessionId, turnId, { blocks: joined.blocks })
        : '',
    only: isOurs,
    isLast: (event) => event.turnId === turnId && (all ? event.type === 'turn.settled' : isTurnEnd(event)),
  });
}

/** Control events of all sessions as an SSE body. `after` undefined starts now. */
export async function streamAll(
  { store, feed }: StreamDeps,
  { after }: { after: number | undefined },
): Promise<ReadableStream<Uint8Array>> {
  return openStream({
    after: after ?? (await store.lastCursor()),
    head: () => undefined,
    join: (subscriber) => feed.joinAll(subscriber),
    read: (from, limit) => store.readControlEvents(from, limit),
    position: (event) => event.cursor,
    encode: encodeForEveryone,
  });
}

/** How the data of a `turn.started` begins that no message asked for. */
const OWN_TURN = '{"initiator":"agent"';

interface Source {
  after: number;
  /** The newest event that was published, if that is known. */
  head(): number | undefined;
  join(subscriber: Subscriber): Joined;
  read(after: number, limit: number): Promise<StoredEvent[]>;
  position(event: StoredEvent): number;
  encode(frame: Frame): string;
  /** What a reader has to know of the blocks that are being written when it joins. */
  partial?(joined: Joined): string;
  /** Leave out other frames. */
  only?(frame: Frame): boolean;
  /** End after this event. */
  isLast?(event: StoredEvent): boolean;
}

/**
 * Replay from the store at the reader's pace; subscribe; replay what came in between; then let through what
 * is published: every durable event once and in order, wherever the reader was cut before.
 */
function openStream(source: Source): ReadableStream<Uint8Array> {
  let joined: Joined | undefined;
  let keepAlive: NodeJS.Timeout | undefined;
  let done = false;
  /** Batches that arrive during the last part of the replay; undefined once it is over. */
  let waiting: Batch[] | undefined = [];
  let shown = source.after;
  let onRoom = (): void => {};

  const stop = (): void => {
    done = true;
    clearInterval(keepAlive);
    joined?.leave();
    onRoom();
  };

  const run = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
    const finish = (): void => {
      if (done) return;
      stop();
      controller.close();
    };

    const send = (bytes: Uint8Array): void => {
      if (done || bytes.length === 0) return;
      controller.enqueue(bytes);
      // The replay waits for its reader; what happens now does not.
      if (waiting || (controller.desiredSize ?? 0) > -MAX_BEHIND_BYTES) return;
      stop();
      controller.error(new Error('The reader is too slow; it can come back with Last-Event-ID.'));
    };

    /** Shows frames one by one, leaving out what was shown before. */
    const show = (frames: readonly Frame[]): void => {
      let text = '';
      let last = false;
      for (const frame of frames) {
        if (frame.durable) {
          if (source.position(frame.event) <= shown) continue;
          shown = source.position(frame.event);
          last = source.isLast?.(frame.event) ?? false;
        }
        if (!source.only || source.only(frame)) text += source.encode(frame);
        if (last) break;
      }
      send(Buffer.from(text));
      if (last) finish();
    };

    const onBatch = (batch: Batch): void => {
      if (done) return;
      if (waiting) {
        waiting.push(batch);
        return;
      }
      const durable = batch.frames.filter((frame) => frame.durable);
      const first = durable[0];
      const replayed = first !== undefined && source.position(first.event) <= shown;
      if (source.only || replayed) {
        show(batch.frames);
        return;
      }
      // The common case: the same bytes for every reader.
      const newest = durable.at(-1);
      if (newest) shown = source.position(newest.event);
      send(batch.bytes());
    };

    const room = async (): Promise<void> => {
      while (!done && (controller.desiredSize ?? 0) <= 0) {
        await new Promise<void>((resolve) => {
          onRoom = resolve;
        });
      }
    };

    /**
     * Shows what the store has, but nothing that is committed and not yet published: it comes with the
     * deltas that belong before it.
     */
    const replay = async (head: () => number | undefined): Promise<void> => {
      while (!done && shown < (head() ?? Number.POSITIVE_INFINITY)) {
        const stored = await source.read(shown, PAGE);
        // Asked after the read: what was published while it took its time counts.
        const end = head() ?? Number.POSITIVE_INFINITY;
        const page = stored.filter((event) => source.position(event) <= end);
        if (page.length === 0) return;
        for (const piece of inPieces(page)) {
          if (done) return;
          show(piece.map((event): Frame => ({ durable: true, turnId: event.turnId, event })));
          if (!joined) await room();
        }
      }
    };

    /** What arrived since this reader joined begins here; the replay ends before it. */
    const beforeWaiting = (): number | undefined => {
      const first = waiting?.flatMap((batch) => batch.frames).find((frame) => frame.durable);
      return first && source.position(first.event) - 1;
    };

    keepAlive = setInterval(() => send(KEEP_ALIVE), KEEP_ALIVE_MS);
    // Headers leave with the first bytes: a reader of a silent session wants to know that it is in.
    send(CONNECTED);
    await replay(source.head);
    if (done) return;
    const subscription = source.join({ onBatch, onEnd: finish });
    joined = subscription;
    if (done) return subscription.leave();
    await replay(() => subscription.head ?? beforeWaiting());
    if (done) return;
    if (subscription.blocks.length > 0) send(Buffer.from(source.partial?.(subscription) ?? ''));
    const missed = waiting ?? [];
    waiting = undefined;
    for (const batch of missed) show(batch.frames);
  };

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        run(controller).catch((error: unknown) => {
          if (done) return;
          stop();
          controller.error(error);
        });
      },
      pull: () => onRoom(),
      cancel: stop,
    },
    new ByteLengthQueuingStrategy({ highWaterMark: PIECE_BYTES }),
  );
}

function* inPieces(events: readonly StoredEvent[]): Generator<StoredEvent[]> {
  let piece: StoredEvent[] = [];
  let size = 0;
  for (const event of events) {
    piece.push(event);
    size += event.json.length;
    if (size < PIECE_BYTES) continue;
    yield piece;
    piece = [];
    size = 0;
  }
  if (piece.length > 0) yield piece;
}
