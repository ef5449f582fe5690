import type { Ownership } from '../cluster/ownership.ts';
import { problem } from '../errors.ts';
import type { Feed } from '../events/feed.ts';
import type { SessionRecord } from '../store/store.ts';
import type { Workspaces } from '../workspaces/workspaces.ts';
import type { Actors } from './actors.ts';
import { type RecoveryDeps, settleOrphans } from './recovery.ts';
import type { Session } from './session.ts';

export interface MovingDeps extends RecoveryDeps {
  ownership: Ownership;
  feed: Pick<Feed, 'endSession'>;
  actors: Actors;
  workspaces: Pick<Workspaces, 'saved' | 'stopWithin'>;
  /** The actor of a session that was read from the store. */
  adopt(record: SessionRecord): Session;
  isStopping(): boolean;
}

/** How sessions come from a dead server, go to another node, and are lost to one. */
export interface Moving {
  /** Settles what a dead server left open in these sessions, or in all. @returns those that go on */
  settle(sessionIds?: readonly string[]): Promise<Session[]>;
  /**
   * Makes the actor of a session that this node has just acquired, and goes on with its `open` work. If that fails there is
   * no actor, and the next attempt begins with what is stored: one that is only half settled would never run its queue.
   * @returns undefined when there is no such session
   * @throws AppError 503 when it was lost meanwhile
   */
  begin(sessionId: string, open: boolean): Promise<Session | undefined>;
  /**
   * Ends all of these: what runs gets `graceSeconds`. Where there are other nodes, each session is theirs as soon as
   * nothing runs in it.
   * @returns how many of them could not be written
   */
  end(sessions: readonly Session[], graceSeconds: number): Promise<number>;
  /** Drops the actors of sessions that another node may own. */
  leave(sessionIds: readonly string[]): Promise<void>;
}

export function createMoving(deps: MovingDeps): Moving {
  const { store, ownership, feed, actors, adopt } = deps;

  const handOver = async (session: Session): Promise<boolean> => {
    const written = await session.shutdown();
    if (!ownership.isShared) return written;
    // Settles when its folder can be had elsewhere, or will not be for now.
    await deps.workspaces.saved(session.id);
    actors.remove(session.id);
    feed.endSession(session.id);
    const isOpen = session.currentTurnId() !== null || session.queuedTurns() > 0;
    await (isOpen ? ownership.handOver(session.id) : ownership.release(session.id));
    return written;
  };

  const settle: Moving['settle'] = async (sessionIds) => {
    const waiting = await settleOrphans(deps, sessionIds);
    const queued = Map.groupBy((await store.openWork(sessionIds)).queued, (turn) => turn.sessionId);
    const records = await store.getSessions([...new Set([...queued.keys(), ...waiting.keys()])]);
    return [...records.values()].map((record) => {
      const session = adopt(record);
      const [turns, turn] = [queued.get(record.id), waiting.get(record.id)];
      if (turns) session.takeOver(turns);
      if (turn) session.restoreTurn(turn);
      return session;
    });
  };

  const leave: Moving['leave'] = async (sessionIds) => {
    const left = sessionIds.flatMap((id) => actors.peek(id) ?? []);
    for (const { id } of left) {
      actors.remove(id);
      // Its readers connect again, and are led to the owner.
      feed.endSession(id);
    }
    await Promise.all(left.map((session) => session.abandon()));
  };

  return {
    settle,

    async begin(id, open) {
      const fence = ownership.fence(id);
      try {
        const goingOn = open ? await settle([id]) : [];
        const record = await store.getSession(id);
        const session = record && adopt(record);
        // Lost, and perhaps acquired again: what was read may be older than what another node wrote.
        if (session && ownership.fence(id) !== fence) throw problem('session_moved', { id, kept: false });
        // The shutdown ends those that had an actor when it began.
        if (ownership.isShared && deps.isStopping()) throw problem('server_stopping', { kept: false });
        ownership.settled(id);
        for (const each of goingOn) each.resumeQueue();
        return session;
      } catch (error) {
        if (ownership.isShared) await leave([id]);
        throw error;
      }
    },

    async end(sessions, graceSeconds) {
      deps.workspaces.stopWithin(graceSeconds);
      let timer: NodeJS.Timeout | undefined;
      const patience = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, graceSeconds * 1000);
      });
      const ended = new Map<Session, Promise<boolean>>();
      const end = (session: Session): Promise<boolean> => {
        const ending = ended.get(session) ?? handOver(session);
        ended.set(session, ending);
        return ending;
      };
      const drain = async (session: Session): Promise<void> => {
        await session.drain();
        // What waits in it need not wait for the turns of others.
        if (ownership.isShared) await end(session);
      };
      await Promise.race([Promise.all(sessions.map(drain)), patience]);
      clearTimeout(timer);
      const written = await Promise.all(sessions.map(end));
      return written.filter((all) => !all).length;
    },

    leave,
  };
}
