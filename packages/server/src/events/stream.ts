import { isTurnEnd } from 'claude-agent-protocol';
import { isInScope } from '../store/scope.ts';
import type { Scope, Store } from '../store/store.ts';
import { encodeForAll, encodeForSession, type Feed } from './feed.ts';
import { openStream, type Source } from './follow.ts';
import { type Frame, liveFrame } from './frames.ts';

export interface StreamDeps {
  store: Store;
  feed: Feed;
}

/** What the events of one session come from, all of them or one turn's. */
const sessionSource = ({ store, feed }: StreamDeps, sessionId: string) =>
  ({
    head: () => feed.head(sessionId),
    subscribe: (subscriber) => feed.subscribe(sessionId, subscriber),
    read: (from, limit) => store.readEvents(sessionId, from, limit),
    gapless: true,
    async lost(after, [oldest]) {
      if (!(await store.getSession(sessionId))) return 'erased';
      // Numbers have no gaps: where one is missing, it was removed.
      return oldest && oldest.seq > after + 1 ? 'removed' : undefined;
    },
    erased: () => liveFrame('session.erased', sessionId, null, {}),
    position: (event) => event.seq,
    encode: (frame) => encodeForSession(sessionId, frame),
  }) satisfies Partial<Source>;

/** A session's events as an SSE body: the stored ones after `after`, then the new ones. Has no end of its own. */
export function streamSession(
  deps: StreamDeps,
  { sessionId, after }: { sessionId: string; after: number },
): ReadableStream<Uint8Array> {
  return openStream({
    ...sessionSource(deps, sessionId),
    after,
    partial: ({ turnId, blocks }) => liveFrame('agent.partial', sessionId, turnId, { blocks }),
  });
}

/**
 * One turn's events as an SSE body, from `turn.queued` (whose number is `start`) to the turn's end.
 * @param all to the end of its background work, with events outside turns and those of the agent's own turns
 */
export function streamTurn(
  deps: StreamDeps,
  {
    sessionId,
    turnId,
    start,
    all = false,
  }: { sessionId: string; turnId: string; start: number; all?: boolean },
): ReadableStream<Uint8Array> {
  /** Turns that the agent has begun by itself since. */
  const own = new Set<string>();
  const isOurs = (frame: Frame): boolean => {
    if (frame.turnId === turnId) return true;
    if (!all) return false;
    if (frame.turnId === null) return true;
    if (frame.durable && frame.event.type === 'turn.started' && frame.event.json.startsWith(AGENT_TURN)) {
      own.add(frame.turnId);
    }
    return own.has(frame.turnId);
  };
  return openStream({
    ...sessionSource(deps, sessionId),
    after: start - 1,
    partial: (subscription) =>
      subscription.turnId === turnId
        ? liveFrame('agent.partial', sessionId, turnId, { blocks: subscription.blocks })
        : '',
    filter: isOurs,
    isEnd: (event) => event.turnId === turnId && (all ? event.type === 'turn.settled' : isTurnEnd(event)),
  });
}

/**
 * The events of the turn that a message was given to, from its beginning to its end. If that ends before the agent took
 * the message, the message's own turn follows.
 */
export function streamSteered(
  deps: StreamDeps,
  {
    sessionId,
    messageId,
    turnId,
    start,
  }: { sessionId: string; messageId: string; turnId: string; start: number },
): ReadableStream<Uint8Array> {
  /** The turn that answers the message; undefined until it is known. */
  let answer: string | undefined;
  const note = (frame: Frame): void => {
    if (!frame.durable) return;
    const { type, json } = frame.event;
    if (type === 'turn.steered' && json.includes(`"message_id":"${messageId}"`))
      answer = frame.turnId ?? undefined;
  };
  return openStream({
    ...sessionSource(deps, sessionId),
    after: start - 1,
    filter(frame) {
      note(frame);
      return frame.turnId === messageId || frame.turnId === (answer ?? turnId);
    },
    isEnd: (event) => (event.turnId === messageId || event.turnId === answer) && isTurnEnd(event),
  });
}

/**
 * Control events of all sessions as an SSE body, from the present on when `after` is undefined.
 * @param scope only those of these sessions
 */
export async function streamAll(
  { store, feed }: StreamDeps,
  { after, scope = {} }: { after: number | undefined; scope?: Scope },
): Promise<ReadableStream<Uint8Array>> {
  return openStream({
    after: after ?? (await store.lastCursor()),
    head: () => undefined,
    subscribe: (subscriber, from) => feed.subscribeAll(subscriber, from),
    read: (from, limit) => store.readControlEvents(from, limit, scope),
    lost: async (from) => (from < (await store.trimmedCursor()) ? 'removed' : undefined),
    position: (event) => event.cursor,
    encode: encodeForAll,
    ...(scope.tenant !== undefined && {
      filter(frame) {
        const of = frame.durable
          ? (frame.event.of ?? store.ownedNow?.(frame.event.sessionId))
          : frame.type === 'session.erased'
            ? frame.of
            : undefined;
        return of !== undefined && isInScope(scope, of);
      },
    }),
  });
}

/** How the data of `turn.started` begins for a turn that the agent began by itself. */
const AGENT_TURN = '{"initiator":"agent"';
