import type { EventData, EventType } from 'claude-agent-protocol';
import type { Ownership } from '../cluster/ownership.ts';
import type { Change, NewEvent, WriteResult } from '../store/store.ts';
import type { Feed } from './feed.ts';
import { durableFrame, type Frame, type LiveMessage } from './frames.ts';

/** The one way to change a session: commit as its owner, then publish. */
export interface Log {
  /**
   * Writes changes of one session in one transaction and then publishes its events.
   * @throws when the store cannot write (disk full, database gone), or this node does not own the session; nothing was
   * kept then.
   */
  write(sessionId: string, changes: readonly Change[]): Promise<WriteResult>;
  /** Publishes a delta or progress: never stored, but in order with the session's durable events. */
  live(sessionId: string, turnId: string | null, message: LiveMessage): void;
}

interface Entry {
  /** undefined while the commit is in progress. */
  frames: readonly Frame[] | undefined;
}

export interface LogDeps {
  ownership: Pick<Ownership, 'write'>;
  feed: Feed;
}

export function createLog({ ownership, feed }: LogDeps): Log {
  // Frames of a session are published in the order of the calls: a delta behind a commit waits for it.
  const queues = new Map<string, Entry[]>();

  const drain = (sessionId: string, queue: Entry[]): void => {
    while (queue[0]?.frames) {
      for (const frame of queue[0].frames) feed.publish(sessionId, frame);
      queue.shift();
    }
    if (queue.length === 0) queues.delete(sessionId);
  };

  const enqueue = (sessionId: string, entry: Entry): Entry[] => {
    const queue = queues.get(sessionId) ?? [];
    queues.set(sessionId, queue);
    queue.push(entry);
    return queue;
  };

  return {
    async write(sessionId, changes) {
      const entry: Entry = { frames: undefined };
      const queue = enqueue(sessionId, entry);
      try {
        const result = await ownership.write(sessionId, changes);
        entry.frames = result.ok ? result.events.map(durableFrame) : [];
        return result;
      } finally {
        entry.frames ??= [];
        drain(sessionId, queue);
      }
    },
    live(sessionId, turnId, message) {
      const frame: Frame = { durable: false, turnId, type: 'agent.delta', message };
      if (queues.has(sessionId)) enqueue(sessionId, { frames: [frame] });
      else feed.publish(sessionId, frame);
    },
  };
}

/** The change that appends an event of the catalogue. */
export function event<T extends EventType>(
  sessionId: string,
  type: T,
  data: EventData<T>,
  turnId: string | null = null,
  at = new Date().toISOString(),
): Change {
  const entry: NewEvent = { sessionId, turnId, type, at, json: JSON.stringify(data) };
  return { kind: 'event', event: entry };
}
