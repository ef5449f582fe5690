import { KEEP_ALIVE_MS } from 'claude-agent-protocol';
import type { StoredEvent } from '../store/store.ts';
import type { Batch, Subscriber, Subscription } from './feed.ts';
import { durableFrame, type Frame } from './frames.ts';

/** Events read from the store at a time while a subscriber catches up. */
const PAGE = 200;
/** So long does a page in memory wait for a subscriber that stalls; then it is read again when there is room. */
const STALLED_AFTER_MS = 1_000;
/**
 * A subscriber that lags this far when more comes is cut off and resumes with Last-Event-ID: 640 KiB is about 1,600 deltas.
 * A stalled one costs less than 1 MB (slow-readers.test.ts).
 */
const MAX_LAG_BYTES = 640 * 1024;
/** Stored events are sent in chunks of about this size, each after the one before has been taken. */
const CHUNK_BYTES = 64 * 1024;

const CONNECTED = Buffer.from(': connected\n\n');
const KEEP_ALIVE = Buffer.from(': keep-alive\n\n');

/** What a stream shows, and how. */
export interface Source {
  /** Position of the last event that the subscriber has. */
  after: number;
  /** Position of the newest published event, if it is known. */
  head(): number | undefined;
  /** @param after position of the last event that the subscriber has */
  subscribe(subscriber: Subscriber, after: number): Subscription;
  read(after: number, limit: number): Promise<StoredEvent[]>;
  /** Positions have no gaps: where one is missing, it was removed, or is only in the store. */
  gapless?: boolean;
  /** Why events behind this position cannot be had any more, if some cannot; `page` is what was just read there. */
  lost?(after: number, page: readonly StoredEvent[]): Promise<'removed' | 'erased' | undefined>;
  /** The last frame of a session that is erased. */
  erased?(): string;
  /** Number of an event in its session, or its cursor among all. */
  position(event: StoredEvent): number;
  encode(frame: Frame): string;
  /** Text that tells a late subscriber what the unfinished blocks hold. */
  partial?(subscription: Subscription): string;
  /** Only frames for which this is true are sent. */
  filter?(frame: Frame): boolean;
  /** The stream ends after this event. */
  isEnd?(event: StoredEvent): boolean;
}

/** One SSE body that is being sent. */
interface Delivery {
  readonly source: Source;
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  readonly keepAlive: NodeJS.Timeout;
  /** Position of the last event that was sent. */
  cursor: number;
  subscription: Subscription | undefined;
  /** Batches that arrive during the last part of the replay; undefined once it is over. */
  buffered: Batch[] | undefined;
  done: boolean;
  /** Called when the subscriber has taken a chunk, and at the end. */
  onRoom(): void;
}

/**
 * Replay from the store at the subscriber's pace; subscribe; replay what was published in between; then pass on what
 * is published: every durable event once and in order, wherever the last connection broke.
 */
export function openStream(source: Source): ReadableStream<Uint8Array> {
  let delivery: Delivery | undefined;
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const mine: Delivery = {
          source,
          controller,
          keepAlive: setInterval(() => send(mine, KEEP_ALIVE), KEEP_ALIVE_MS),
          cursor: source.after,
          subscription: undefined,
          buffered: [],
          done: false,
          onRoom: () => {},
        };
        delivery = mine;
        run(mine).catch((error: unknown) => fail(mine, error));
      },
      pull: () => delivery?.onRoom(),
      cancel: () => delivery && stop(delivery),
    },
    new ByteLengthQueuingStrategy({ highWaterMark: CHUNK_BYTES }),
  );
}

async function run(delivery: Delivery): Promise<void> {
  const { source } = delivery;
  // Headers leave with the first bytes: a subscriber to a silent session wants to know that it is connected.
  send(delivery, CONNECTED);
  await replay(delivery, source.head);
  if (delivery.done) return;
  const subscriber: Subscriber = {
    onBatch: (batch) => onBatch(delivery, batch),
    onEnd: (why) => (why === 'erased' ? lose(delivery, why) : finish(delivery)),
  };
  const subscription = source.subscribe(subscriber, delivery.cursor);
  delivery.subscription = subscription;
  if (delivery.done) return subscription.unsubscribe();
  // It may have been erased before there was a subscription to end.
  const lost = await source.lost?.(delivery.cursor, []);
  if (lost) return lose(delivery, lost);
  await replay(delivery, () => subscription.head ?? beforeBuffered(delivery));
  if (delivery.done) return;
  if (subscription.blocks.length > 0) send(delivery, Buffer.from(source.partial?.(subscription) ?? ''));
  await catchUp(delivery);
}

/** Sends the buffered batches, and what is missing between them. */
async function catchUp(delivery: Delivery): Promise<void> {
  const { source } = delivery;
  for (;;) {
    const batch = delivery.done ? undefined : delivery.buffered?.shift();
    if (!batch) break;
    const { skips, last } = compare(delivery, batch);
    if (skips && last) await replay(delivery, () => source.position(last));
    if (!delivery.done) deliver(delivery, batch.frames);
  }
  delivery.buffered = undefined;
}

/**
 * Whether a batch leaves an event out, or has one that was sent before. On one node none leaves one out. With several,
 * what another node commits comes by a relay that can break, and this node may own the session before the relay has
 * brought everything.
 */
function compare({ source, cursor }: Delivery, { frames }: Batch) {
  let [skips, repeats] = [false, false];
  let last: StoredEvent | undefined;
  let sent = cursor;
  for (const frame of frames) {
    if (!frame.durable) continue;
    last = frame.event;
    const position = source.position(last);
    repeats ||= position <= sent;
    skips ||= source.gapless === true && position > sent + 1;
    sent = Math.max(sent, position);
  }
  return { skips, repeats, last };
}

/**
 * Sends what the store has, up to the newest published event: one that is committed and not yet published comes with
 * the deltas that belong before it.
 */
async function replay(delivery: Delivery, head: () => number | undefined): Promise<void> {
  while (!delivery.done && delivery.cursor < (head() ?? Number.POSITIVE_INFINITY)) {
    if (!delivery.subscription) await roomIn(delivery);
    if (!(await replayPage(delivery, head))) return;
  }
}

/**
 * Sends the next page of it, or as much as a stalled subscriber takes: a function of its own, so that nothing holds the
 * page while that one is waited for.
 * @returns whether there may be more
 */
async function replayPage(delivery: Delivery, head: () => number | undefined): Promise<boolean> {
  const { source } = delivery;
  if (delivery.done) return false;
  const stored = await source.read(delivery.cursor, PAGE);
  const lost = await source.lost?.(delivery.cursor, stored);
  if (lost) {
    lose(delivery, lost);
    return false;
  }
  // Asked after the read, because events were published while it took its time.
  const end = head() ?? Number.POSITIVE_INFINITY;
  const page = stored.filter((event) => source.position(event) <= end);
  for (const chunk of inChunks(page)) {
    if (delivery.done) return false;
    deliver(delivery, chunk.map(durableFrame));
    if (!delivery.subscription && !(await hasRoomSoon(delivery))) return true;
  }
  return page.length > 0;
}

/** The last position before the buffered batches begin; the replay ends there. */
function beforeBuffered({ buffered, source }: Delivery): number | undefined {
  const first = buffered?.flatMap((batch) => batch.frames).find((frame) => frame.durable);
  return first && source.position(first.event) - 1;
}

function onBatch(delivery: Delivery, batch: Batch): void {
  const { source, buffered } = delivery;
  if (delivery.done) return;
  if (buffered) {
    buffered.push(batch);
    return;
  }
  const { skips, repeats, last } = compare(delivery, batch);
  if (skips) {
    delivery.buffered = [batch];
    catchUp(delivery).catch((error: unknown) => fail(delivery, error));
  } else if (source.filter || repeats) {
    deliver(delivery, batch.frames);
  } else {
    // The common case: the same bytes for every subscriber.
    if (last) delivery.cursor = source.position(last);
    send(delivery, batch.bytes());
  }
}

/** Sends frames, without those that were sent before. */
function deliver(delivery: Delivery, frames: readonly Frame[]): void {
  const { source } = delivery;
  let text = '';
  let end = false;
  for (const frame of frames) {
    if (frame.durable) {
      if (source.position(frame.event) <= delivery.cursor) continue;
      delivery.cursor = source.position(frame.event);
      end = source.isEnd?.(frame.event) ?? false;
    }
    if (!source.filter || source.filter(frame)) text += source.encode(frame);
    if (end) break;
  }
  send(delivery, Buffer.from(text));
  if (end) finish(delivery);
}

function send(delivery: Delivery, bytes: Uint8Array): void {
  const { controller } = delivery;
  if (delivery.done || bytes.length === 0) return;
  // The replay waits for its subscriber; live events do not. One that has taken everything may get any number of bytes.
  if (!delivery.buffered && (controller.desiredSize ?? 0) <= -MAX_LAG_BYTES) {
    fail(delivery, new Error('The subscriber reads too slowly. It can resume with Last-Event-ID.'));
  } else {
    controller.enqueue(bytes);
  }
}

/** Waits until the subscriber has taken what was sent. */
async function roomIn(delivery: Delivery): Promise<void> {
  while (!delivery.done && (delivery.controller.desiredSize ?? 0) <= 0) {
    await new Promise<void>((resolve) => {
      delivery.onRoom = resolve;
    });
  }
}

/** Whether the subscriber takes what was sent within some time. */
async function hasRoomSoon(delivery: Delivery): Promise<boolean> {
  if ((delivery.controller.desiredSize ?? 0) > 0) return true;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, STALLED_AFTER_MS, false);
  });
  const room = await Promise.race([roomIn(delivery).then(() => true), late]);
  clearTimeout(timer);
  return room;
}

/** Ends a stream whose next events cannot be had any more. */
function lose(delivery: Delivery, why: 'removed' | 'erased'): void {
  if (why === 'erased') {
    send(delivery, Buffer.from(delivery.source.erased?.() ?? ''));
    finish(delivery);
  } else {
    fail(delivery, new Error('The next events were removed. Connect again to learn where to go on.'));
  }
}

function finish(delivery: Delivery): void {
  if (delivery.done) return;
  stop(delivery);
  delivery.controller.close();
}

function fail(delivery: Delivery, error: unknown): void {
  if (delivery.done) return;
  stop(delivery);
  delivery.controller.error(error);
}

function stop(delivery: Delivery): void {
  delivery.done = true;
  clearInterval(delivery.keepAlive);
  delivery.subscription?.unsubscribe();
  delivery.onRoom();
}

function* inChunks(events: readonly StoredEvent[]): Generator<StoredEvent[]> {
  let chunk: StoredEvent[] = [];
  let size = 0;
  for (const event of events) {
    chunk.push(event);
    size += event.json.length;
    if (size < CHUNK_BYTES) continue;
    yield chunk;
    chunk = [];
    size = 0;
  }
  if (chunk.length > 0) yield chunk;
}
