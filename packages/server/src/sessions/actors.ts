import type { Session } from './session.ts';

/** Sessions at rest that stay in memory, at about 15 KB each. */
const KEPT = 256;
/** Candidates for each session that is added: more than one, so that a crowd shrinks again. */
const LOOKED_AT = 4;
const SWEEP_EVERY_MS = 5_000;

/**
 * The sessions in memory: all that do something, and those at rest that were used last. The others are read from the
 * store when somebody asks for them. A session that is let go is still found as long as anybody holds it, so there are
 * never two actors of one session.
 */
export interface Actors {
  get(id: string): Session | undefined;
  /** Like get, but counts as no use; undefined for one at rest that was let go. */
  peek(id: string): Session | undefined;
  /** Takes a session in. Use what this returns: it notes which calls are under way. */
  add(session: Session): Session;
  remove(id: string): void;
  /** All that do something, and some that do not. */
  all(): Session[];
  /** Lets the longest unused sessions at rest go, down to the number that is kept. */
  sweep(): void;
  end(): void;
}

interface Entry {
  /** As callers have it: its calls are counted. */
  session: Session;
  /** The session itself. */
  inner: Session;
  /** Calls that have not settled. */
  calls: number;
  /** Somebody asked for it since the last sweep. */
  used: boolean;
}

export interface ActorsOptions {
  /** How many sessions at rest stay in memory. */
  kept?: number | undefined;
  /**
   * Where other nodes can own sessions: called with one at rest that was not used for a while. It is not found any
   * more, whoever holds it.
   */
  onLetGo?: ((session: Session) => void) | undefined;
}

export function createActors({ kept = KEPT, onLetGo }: ActorsOptions = {}): Actors {
  /** The longest unused first. */
  const held = new Map<string, Entry>();
  /** At rest, and found only while somebody else holds them. */
  const released = new Map<string, WeakRef<Entry>>();

  const hold = (entry: Entry): void => {
    const { id } = entry.inner;
    released.delete(id);
    held.delete(id);
    held.set(id, entry);
    entry.used = true;
  };

  const find = (id: string): Entry | undefined => held.get(id) ?? released.get(id)?.deref();

  const letGo = (most: number, atLeast = kept): void => {
    let left = most;
    for (const [id, entry] of held) {
      if (held.size <= atLeast || left === 0) return;
      left -= 1;
      // It may be another node's as soon as it is let go, so nobody must be about to use it.
      if (onLetGo && entry.used) continue;
      held.delete(id);
      if (entry.calls === 0 && entry.inner.isAtRest()) {
        entry.inner.rest();
        if (onLetGo) onLetGo(entry.inner);
        else released.set(id, new WeakRef(entry));
      } else {
        held.set(id, entry);
      }
    }
  };

  const sweep = (): void => {
    letGo(held.size, onLetGo ? 0 : kept);
    for (const entry of held.values()) entry.used = false;
    for (const [id, entry] of released) if (!entry.deref()) released.delete(id);
  };

  /** A call may begin something, so its session is held again; while it is under way the session is not at rest. */
  const during = <R>(entry: Entry, call: () => R): R => {
    if (released.get(entry.inner.id)?.deref() === entry) hold(entry);
    const result = call();
    if (!(result instanceof Promise)) return result;
    entry.calls += 1;
    const over = (): void => {
      entry.calls -= 1;
    };
    result.then(over, over);
    return result;
  };

  const timer = setInterval(sweep, SWEEP_EVERY_MS).unref();

  return {
    get(id) {
      const entry = find(id);
      if (entry) hold(entry);
      return entry?.session;
    },
    peek: (id) => held.get(id)?.session,
    add(session) {
      const entry: Entry = { session, inner: session, calls: 0, used: true };
      const around: Around = (call) => during(entry, call);
      entry.session = { ...counted(session, around), broker: counted(session.broker, around) };
      hold(entry);
      letGo(LOOKED_AT);
      return entry.session;
    },
    remove(id) {
      held.delete(id);
      released.delete(id);
    },
    all: () => [...held.values()].map(({ session }) => session),
    sweep,
    end: () => clearInterval(timer),
  };
}

type Around = <R>(call: () => R) => R;

/** The same object; what calls its functions goes through `around`. */
function counted<T extends object>(target: T, around: Around): T {
  const members = Object.entries(target).map(([name, member]: [string, unknown]) => {
    if (typeof member !== 'function') return [name, member];
    const call = member as (...given: unknown[]) => unknown;
    return [name, (...given: unknown[]) => around(() => call(...given))];
  });
  return Object.fromEntries(members) as T;
}
