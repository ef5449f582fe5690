import { isTurnEnd, type PartialBlock } from 'claude-agent-protocol';
import type { StoredEvent } from '../store/store.ts';
import { eventFrame, type Frame, liveFrame } from './frames.ts';
import { createPartials, type Partials } from './partials.ts';
import { dataOf, isEvent } from './stored.ts';

/** Frames that go out together: encoded once, whoever and however many read them. */
export interface Batch {
  frames: readonly Frame[];
  bytes(): Uint8Array;
}

export interface Subscriber {
  onBatch(batch: Batch): void;
  /** The server goes down: no more batches come. */
  onEnd(): void;
}

export interface Joined {
  /** Number of the newest event that was published before this subscription, if any was. */
  head: number | undefined;
  /** The turn that runs at this moment. */
  turnId: string | null;
  /** What its blocks in progress hold. */
  blocks: PartialBlock[];
  leave(): void;
}

/** Live fan-out of what the log has committed. */
export interface Feed {
  publish(sessionId: string, frame: Frame): void;
  /** Number of the newest event of a session that was published, if that is known. */
  head(sessionId: string): number | undefined;
  /** All that one session shows, from now on. */
  join(sessionId: string, subscriber: Subscriber): Joined;
  /** Control events of all sessions, from now on. */
  joinAll(subscriber: Subscriber): Joined;
  end(): void;
}

/**
 * With more readers than this, a channel rests after each chunk for as long as sending it took: the fan-out of
 * one session leaves half of the processor to the others, and what comes meanwhile leaves together. 1,000
 * readers of single tokens: 220,000 frames/s instead of 48,000 (bench/events.ts), each up to 20 ms later.
 */
const MANY = 100;

interface Channel {
  encode(frame: Frame): string;
  /** A flush will come: soon, or after a rest. */
  scheduled: boolean;
  subscribers: Set<Subscriber>;
  partials: Partials;
  head: number | undefined;
  turnId: string | null;
  pending: Frame[];
}

export function createFeed(): Feed {
  const channels = new Map<string, Channel>();
  const everyone = newChannel(encodeForEveryone);
  let ended = false;

  const channelOf = (sessionId: string): Channel => {
    let channel = channels.get(sessionId);
    if (!channel) {
      channel = newChannel((frame) => encodeForSession(sessionId, frame));
      channels.set(sessionId, channel);
    }
    return channel;
  };

  // Frames of one turn of the event loop leave as one chunk: with 100 subscribers a write of its own for
  // each of them held us to about a tenth of the frames (bench/events.ts).
  const flush = (channel: Channel): void => {
    channel.scheduled = false;
    if (channel.pending.length === 0) return;
    const batch = createBatch(channel.pending, channel.encode);
    channel.pending = [];
    for (const subscriber of channel.subscribers) subscriber.onBatch(batch);
    if (channel.subscribers.size <= MANY) return;
    channel.scheduled = true;
    const start = performance.now();
    // The writes themselves are done when the next turn of the event loop begins.
    setImmediate(() => setTimeout(flush, performance.now() - start, channel));
  };

  const push = (channel: Channel, frame: Frame): void => {
    if (channel.subscribers.size === 0) return;
    channel.pending.push(frame);
    if (channel.scheduled) return;
    channel.scheduled = true;
    setImmediate(flush, channel);
  };

  const join = (channel: Channel, subscriber: Subscriber, onEmpty: () => void): Joined => {
    // What waits to be flushed was published before this subscriber came: it must not see it twice.
    flush(channel);
    channel.subscribers.add(subscriber);
    if (ended) subscriber.onEnd();
    return {
      head: channel.head,
      turnId: channel.turnId,
      blocks: channel.partials.blocks(),
      leave() {
        channel.subscribers.delete(subscriber);
        if (channel.subscribers.size === 0) {
          channel.pending = [];
          onEmpty();
        }
      },
    };
  };

  const forgetIfUnused = (sessionId: string, channel: Channel): void => {
    if (channel.subscribers.size > 0 || channel.turnId !== null) return;
    if (channels.get(sessionId) === channel) channels.delete(sessionId);
  };

  return {
    publish(sessionId, frame) {
      if (frame.durable && frame.event.type !== 'agent.message') push(everyone, frame);
      // A session that nobody reads has a channel only while a turn runs: for the blocks in progress.
      const starts = frame.durable && frame.event.type === 'turn.started';
      const channel = starts ? channelOf(sessionId) : channels.get(sessionId);
      if (!channel) return;
      if (frame.durable) followDurable(channel, frame.event);
      else channel.partials.observe(frame.message);
      push(channel, frame);
      forgetIfUnused(sessionId, channel);
    },
    head: (sessionId) => channels.get(sessionId)?.head,
    join(sessionId, subscriber) {
      const channel = channelOf(sessionId);
      return join(channel, subscriber, () => forgetIfUnused(sessionId, channel));
    },
    joinAll(subscriber) {
      return join(everyone, subscriber, () => {});
    },
    end() {
      ended = true;
      for (const channel of [everyone, ...channels.values()]) {
        flush(channel);
        for (const subscriber of [...channel.subscribers]) subscriber.onEnd();
      }
    },
  };
}

const newChannel = (encode: Channel['encode']): Channel => ({
  encode,
  scheduled: false,
  subscribers: new Set(),
  partials: createPartials(),
  head: undefined,
  turnId: null,
  pending: [],
});

function createBatch(frames: readonly Frame[], encode: (frame: Frame) => string): Batch {
  let bytes: Uint8Array | undefined;
  return {
    frames,
    bytes() {
      bytes ??= Buffer.from(frames.map(encode).join(''));
      return bytes;
    },
  };
}

export function encodeForSession(sessionId: string, frame: Frame): string {
  return frame.durable
    ? eventFrame(frame.event, frame.event.seq)
    : liveFrame(frame.type, sessionId, frame.turnId, frame.message);
}

export const encodeForEveryone = (frame: Frame): string =>
  frame.durable ? eventFrame(frame.event, frame.event.cursor) : '';

function followDurable(channel: Channel, event: StoredEvent): void {
  channel.head = event.seq;
  if (isEvent(event, 'agent.message')) {
    // Only an assistant's message completes a block; its JSON starts with its type, as the SDK writes it.
    if (!event.json.startsWith('{"type":"assistant"')) return;
    const { parent_tool_use_id: parent } = dataOf(event);
    channel.partials.complete(typeof parent === 'string' ? parent : null);
  } else if (event.type === 'turn.started' || isTurnEnd(event)) {
    channel.turnId = event.type === 'turn.started' ? event.turnId : null;
    channel.partials.clear();
  }
}
