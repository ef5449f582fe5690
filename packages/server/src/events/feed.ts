import { isTurnEnd, type PartialBlock } from 'claude-agent-protocol';
import type { Owned, StoredEvent } from '../store/store.ts';
import { durableFrame, eventFrame, type Frame, liveFrame } from './frames.ts';
import { createPartials, type Partials } from './partials.ts';
import { dataOf, isEvent } from './stored.ts';
import type { Tail } from './tail.ts';

/** Frames that are sent together: encoded once for all subscribers. */
export interface Batch {
  frames: readonly Frame[];
  bytes(): Uint8Array;
}

export interface Subscriber {
  onBatch(batch: Batch): void;
  /** The session was erased, or the server stops: no more batches come. */
  onEnd(why: 'erased' | 'stopping'): void;
}

export interface Subscription {
  /** Number of the newest event published before this subscription, if there is one. */
  head: number | undefined;
  /** The turn that is running. */
  turnId: string | null;
  /** What its unfinished content blocks hold so far. */
  blocks: PartialBlock[];
  unsubscribe(): void;
}

/** Live fan-out of what the log has committed. */
export interface Feed {
  publish(sessionId: string, frame: Frame): void;
  /** Publishes what another node has committed: to the subscribers of its session only. */
  relay(sessionId: string, frame: Frame): void;
  /** Number of the newest published event of a session, if it is known. */
  head(sessionId: string): number | undefined;
  /** Every frame of one session, from now on. */
  subscribe(sessionId: string, subscriber: Subscriber): Subscription;
  /** Control events of all sessions, from now on. `after`: the cursor up to which the subscriber has them. */
  subscribeAll(subscriber: Subscriber, after: number): Subscription;
  /** Drops what is known of a session that nobody follows any more: another node goes on with it. */
  forget(sessionId: string): void;
  /** Ends every subscription to a session. */
  endSession(sessionId: string): void;
  /** The same, and the readers of all sessions here are told that it is erased. `of`: whose it was. */
  erased(sessionId: string, of: Owned | undefined): void;
  end(): void;
}

/**
 * With more subscribers than this, a channel pauses after each batch for as long as sending it took: the fan-out of
 * one session leaves half of the processor to the others, and frames of the pause are sent together. 1,000
 * subscribers to single tokens: 220,000 frames/s instead of 48,000 (bench/events.ts), each up to 20 ms later.
 */
const THROTTLE_ABOVE = 100;

interface Channel {
  encode(frame: Frame): string;
  /** A flush is due: soon, or after a pause. */
  scheduled: boolean;
  subscribers: Set<Subscriber>;
  partials: Partials;
  head: number | undefined;
  turnId: string | null;
  pending: Frame[];
  /** Called when the last subscriber has left. */
  unfollow: (() => void) | undefined;
}

/**
 * @param onFollow called when a session gets its first subscriber; what it returns, when the last one has left
 * @param tail where the events of all sessions come from, if not in the order in which they are published here
 */
export function createFeed(onFollow?: (sessionId: string) => () => void, tail?: Tail): Feed {
  const channels = new Map<string, Channel>();
  const all = newChannel(encodeForAll);
  let ended = false;

  const channelOf = (sessionId: string): Channel => {
    let channel = channels.get(sessionId);
    if (!channel) {
      channel = newChannel((frame) => encodeForSession(sessionId, frame));
      channels.set(sessionId, channel);
    }
    return channel;
  };

  // Frames of one turn of the event loop are sent as one batch: with 100 subscribers, one write for each frame
  // took the rate to about a tenth (bench/events.ts).
  const flush = (channel: Channel): void => {
    channel.scheduled = false;
    if (channel.pending.length === 0) return;
    const batch = createBatch(channel.pending, channel.encode);
    channel.pending = [];
    for (const subscriber of channel.subscribers) subscriber.onBatch(batch);
    if (channel.subscribers.size <= THROTTLE_ABOVE) return;
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

  const add = (channel: Channel, subscriber: Subscriber, onEmpty: () => void): Subscription => {
    // Pending frames were published before this subscription: its replay has them already.
    flush(channel);
    channel.subscribers.add(subscriber);
    if (ended) subscriber.onEnd('stopping');
    return {
      head: channel.head,
      turnId: channel.turnId,
      blocks: channel.partials.blocks(),
      unsubscribe() {
        channel.subscribers.delete(subscriber);
        if (channel.subscribers.size === 0) {
          channel.pending = [];
          onEmpty();
        }
      },
    };
  };

  const endChannel = (channel: Channel, why: 'erased' | 'stopping'): void => {
    flush(channel);
    for (const subscriber of [...channel.subscribers]) subscriber.onEnd(why);
  };

  const dropIfUnused = (sessionId: string, channel: Channel): void => {
    if (channel.subscribers.size > 0 || channel.turnId !== null) return;
    if (channels.get(sessionId) === channel) channels.delete(sessionId);
  };

  const toSession = (sessionId: string, frame: Frame): void => {
    // Without a subscriber a session has a channel only while a turn runs: for its unfinished blocks.
    const starts = frame.durable && frame.event.type === 'turn.started';
    const channel = starts ? channelOf(sessionId) : channels.get(sessionId);
    if (!channel) return;
    if (frame.durable) followDurable(channel, frame.event);
    else followLive(channel, frame);
    push(channel, frame);
    dropIfUnused(sessionId, channel);
  };

  const endSession: Feed['endSession'] = (sessionId) => {
    const channel = channels.get(sessionId);
    if (channel) endChannel(channel, 'erased');
    channels.delete(sessionId);
  };

  return {
    relay: toSession,
    publish(sessionId, frame) {
      if (!tail && frame.durable && frame.event.type !== 'agent.message') push(all, frame);
      toSession(sessionId, frame);
    },
    head: (sessionId) => channels.get(sessionId)?.head,
    subscribe(sessionId, subscriber) {
      const channel = channelOf(sessionId);
      if (channel.subscribers.size === 0) channel.unfollow = onFollow?.(sessionId);
      return add(channel, subscriber, () => {
        channel.unfollow?.();
        dropIfUnused(sessionId, channel);
      });
    },
    subscribeAll(subscriber, after) {
      if (all.subscribers.size === 0) {
        all.unfollow = tail?.follow(after, (event) => push(all, durableFrame(event)));
      }
      return add(all, subscriber, () => all.unfollow?.());
    },
    forget(sessionId) {
      if (channels.get(sessionId)?.subscribers.size === 0) channels.delete(sessionId);
    },
    endSession,
    erased(sessionId, of) {
      endSession(sessionId);
      push(all, { durable: false, turnId: null, type: 'session.erased', message: {}, sessionId, of });
    },
    end() {
      ended = true;
      for (const channel of [all, ...channels.values()]) endChannel(channel, 'stopping');
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
  unfollow: undefined,
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

export function encodeForAll(frame: Frame): string {
  if (frame.durable) return eventFrame(frame.event, frame.event.cursor);
  return frame.type === 'session.erased' ? liveFrame(frame.type, frame.sessionId, null, {}) : '';
}

function followLive(channel: Channel, frame: Frame & { durable: false }): void {
  if (frame.type === 'agent.delta') channel.partials.observe(frame.message);
  else if (frame.type === 'agent.partial') {
    channel.turnId = frame.turnId;
    channel.partials.restore(frame.message.blocks);
  }
}

function followDurable(channel: Channel, event: StoredEvent): void {
  const { turnId } = event;
  channel.head = event.seq;
  if (isEvent(event, 'agent.message')) {
    // Only an assistant's message completes a block; its JSON starts with its type, as the SDK writes it.
    if (!event.json.startsWith('{"type":"assistant"')) return;
    const { parent_tool_use_id: parent } = dataOf(event);
    channel.partials.complete(typeof parent === 'string' ? parent : null);
  } else if (event.type === 'turn.started') {
    channel.turnId = turnId;
    channel.partials.clear();
  } else if (event.type === 'turn.continued') {
    // Another process begins its answer again.
    channel.partials.clear();
  } else if (isTurnEnd(event) && (channel.turnId ?? turnId) === turnId) {
    // A queued message that is taken back ends its turn while another one is writing.
    channel.turnId = null;
    channel.partials.clear();
  }
}
