import type { EventData, EventType } from 'claude-agent-protocol';
import type { Change, NewEvent, Store, StoredEvent, WriteResult } from '../store/store.ts';
import type { Feed } from './feed.ts';
import type { Frame, LiveMessage } from './frames.ts';

/** The one way to change a session: commit first, then show. */
export interface Log {
  /**
   * Writes changes of one session in one transaction and then publishes its events.
   * @throws when the store cannot write (disk full, database gone); nothing was kept then.
   */
  write(sessionId: string, changes: readonly Change[]): Promise<WriteResult>;
  /** Shows a delta or progress: never stored, but in its place among the session's durable events. */
  live(sessionId: string, turnId: string | null, message: LiveMessage): void;
}

interface Slot {
  /** undefined while the commit is under way. */
  frames: readonly Frame[] | undefined;
}

export function createLog({ store, feed }: { store: Store; feed: Feed }): Log {
  // What is published leaves in the order in which it was handed in: a delta behind a commit waits for it.
  const lines = new Map<string, Slot[]>();

  const drain = (sessionId: string, line: Slot[]): void => {
    while (line[0]?.frames) {
      for (const frame of line[0].frames) feed.publish(sessionId, frame);
      line.shift();
    }
    if (line.length === 0) lines.delete(sessionId);
  };

  const enter = (sessionId: string, slot: Slot): Slot[] => {
    const line = lines.get(sessionId) ?? [];
    lines.set(sessionId, line);
    line.push(slot);
    return line;
  };

  return {
    async write(sessionId, changes) {
      const slot: Slot = { frames: undefined };
      const line = enter(sessionId, slot);
      try {
        const result = await store.write(changes);
        slot.frames = result.ok ? result.events.map(durableFrame) : [];
        return result;
      } finally {
        slot.frames ??= [];
        drain(sessionId, line);
      }
    },
    live(sessionId, turnId, message) {
      const frame: Frame = { durable: false, turnId, type: 'agent.delta', message };
      if (!lines.has(sessionId)) feed.publish(sessionId, frame);
      else enter(sessionId, { frames: [frame] });
    },
  };
}

const durableFrame = (event: StoredEvent): Frame => ({ durable: true, turnId: event.turnId, event });

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
