import { setTimeout as sleep } from 'node:timers/promises';
import { LIVE_FRAMES } from 'claude-agent-protocol';
import { createParser } from 'eventsource-parser';
import { fetch } from 'undici';
import { z } from 'zod';
import type { Feed } from '../events/feed.ts';
import { durableFrame, type Frame, readEvent } from '../events/frames.ts';
import type { Store } from '../store/store.ts';
import type { Directory, NodeAddress } from './directory.ts';
import { createDispatcher } from './dispatcher.ts';

/** Events read from the store at a time. */
const PAGE = 500;
/** An owner that does not answer is asked again after this long, or when the session changes. */
const RETRY_MS = 1_000;

const Live = z.object({ turn_id: z.string().nullable(), data: z.unknown() });
const Delta = z.looseObject({ type: z.string() });

export interface RelayDeps {
  store: Pick<Store, 'getSession' | 'readEvents'>;
  directory: Directory;
  /** This node runs the session: its own log publishes. */
  owns(sessionId: string): boolean;
  /** The headers that make this node known to the others. */
  headers(): Record<string, string>;
  onError(error: unknown): void;
}

/** Brings what other nodes do in a session to the subscribers on this node, over one connection for all of them. */
export interface Relay {
  /** Follows a session. @returns ends it */
  follow(sessionId: string): () => void;
  close(): Promise<void>;
}

/**
 * From the session's owner come its events and deltas, as its own stream has them; without an owner, the events are
 * read from the store as they appear. Subscribers fill what a change between the two may skip (`events/follow.ts`).
 */
export function createRelay(feed: Pick<Feed, 'relay' | 'head' | 'forget'>, deps: RelayDeps): Relay {
  const { store, directory, owns } = deps;
  const dispatcher = createDispatcher();

  const run = async (sessionId: string, signal: AbortSignal): Promise<void> => {
    const change = changes(directory, sessionId, signal);
    // The newest one again: a subscriber that does not have it yet sees the gap.
    let from = Math.max(0, ((await store.getSession(sessionId))?.lastSeq ?? 0) - 1);
    const publish = (frame: Frame): void => {
      if (signal.aborted || owns(sessionId)) return;
      if (frame.durable) from = Math.max(from, frame.event.seq);
      feed.relay(sessionId, frame);
    };
    while (!signal.aborted) {
      const next = change();
      if (owns(sessionId)) {
        await next;
        from = Math.max(from, feed.head(sessionId) ?? 0);
        continue;
      }
      const owner = await directory.locate(sessionId);
      if (owner && (await fromOwner(owner, sessionId, () => from, publish, signal))) continue;
      await fromStore(sessionId, () => from, publish);
      await (owner ? Promise.race([next, sleep(RETRY_MS, undefined, { ref: false })]) : next);
    }
  };

  /** @returns false when the owner could not be read */
  const fromOwner = async (
    { id, address }: NodeAddress,
    sessionId: string,
    from: () => number,
    publish: (frame: Frame) => void,
    signal: AbortSignal,
  ): Promise<boolean> => {
    try {
      const answer = await fetch(`${address}/sessions/${sessionId}/events`, {
        dispatcher,
        headers: { ...deps.headers(), accept: 'text/event-stream', 'last-event-id': String(from()) },
        signal: AbortSignal.any([signal, directory.gone(id)]),
      });
      if (!answer.ok || !answer.body) {
        await answer.body?.cancel();
        return false;
      }
      const parser = createParser({
        onEvent({ id: seq, event: type, data }) {
          publish(seq === undefined ? readLive(type, data) : durableFrame(readEvent(data)));
        },
      });
      const text = new TextDecoder();
      for await (const chunk of answer.body) parser.feed(text.decode(chunk as Uint8Array, { stream: true }));
      return true;
    } catch {
      // The owner died, or this was ended. The store has all that was committed.
      return false;
    }
  };

  const fromStore = async (
    sessionId: string,
    from: () => number,
    publish: (frame: Frame) => void,
  ): Promise<void> => {
    for (;;) {
      const events = await store.readEvents(sessionId, from(), PAGE);
      for (const event of events) publish(durableFrame(event));
      if (events.length < PAGE || owns(sessionId)) return;
    }
  };

  return {
    follow(sessionId) {
      const end = new AbortController();
      run(sessionId, end.signal).catch((error: unknown) => {
        if (!end.signal.aborted) deps.onError(error);
      });
      return () => {
        end.abort();
        if (!owns(sessionId)) feed.forget(sessionId);
      };
    },
    close: () => dispatcher.destroy(),
  };
}

/** @returns a function: its promise settles at the first change after the call, or at the end */
function changes(directory: Directory, sessionId: string, signal: AbortSignal): () => Promise<void> {
  let wake = (): void => {};
  const stop = directory.onChange(sessionId, () => wake());
  signal.addEventListener('abort', () => {
    stop();
    wake();
  });
  return () =>
    new Promise((resolve) => {
      wake = resolve;
      if (signal.aborted) resolve();
    });
}

function readLive(type: string | undefined, text: string): Frame {
  const { turn_id: turnId, data } = Live.parse(JSON.parse(text));
  return type === 'agent.partial'
    ? { durable: false, turnId, type, message: LIVE_FRAMES['agent.partial'].parse(data) }
    : { durable: false, turnId, type: 'agent.delta', message: Delta.parse(data) };
}
