import { AppError, problem } from '../errors.ts';

/** A session, as the one that has or wants a process. */
export interface Holder {
  /** The key that made it; null for a program of the machine. */
  maker: string | null;
  /** Nothing uses the process at the moment. */
  isIdle(): boolean;
  /** Lets the process go if nothing uses it. @returns false when something does */
  sleep(): Promise<boolean>;
}

export interface Application {
  /** Whether it waits for a busy session, or is refused; asked again whenever it would have to wait. */
  waits(): boolean;
  /** Its place among those that wait, 1 for the next. */
  onPosition(position: number): void;
  signal: AbortSignal;
}

/** Returns the permit; without effect the second time. */
export type Release = () => void;

/** Limits the agent processes of all sessions: each needs a permit from before its start until it is gone. */
export interface Permits {
  /**
   * First come, first served. When all permits are taken, the session that has been idle longest is put to sleep.
   * @throws AppError 503 (429, see `refusal`) when all are busy and the application does not wait, or the signal's reason
   */
  acquire(holder: Holder, application: Application): Promise<Release>;
  /** Nothing uses the holder's process from now on. */
  noteIdle(holder: Holder): void;
  /** An application waits, and no idle session makes room for it. */
  isCrowded(): boolean;
  /** Permits that are not taken, or by an idle session. */
  free(): number;
  /** Why a holder gets no permit: the server is full, or its maker fills it by itself, which is the maker's own excess. */
  refusal(holder: Holder): AppError;
}

/** There is no process for a session, because all are busy. */
export const isBusy = (error: unknown): boolean =>
  error instanceof AppError && (error.code === 'agents_busy' || error.code === 'own_agents_busy');

export interface PermitsDeps {
  limit: number;
  /** Processes that wait for a session count too; settles when there are no more than this many. */
  limitSpares(atMost: number): Promise<void>;
  onError(error: unknown, what: string): void;
}

interface Entry {
  holder: Holder;
  application: Application;
  resolve(release: Release): void;
  reject(error: unknown): void;
  /** The last position that it was told. */
  told: number;
}

/** Up to this position every step is told; before, every step of a tenth: 1,000 that wait would get 1,000 events each. */
const TOLD_SINGLY = 10;
/** Nobody knows when a turn ends. */
const LOOK_AGAIN_SECONDS = 5;

export function createPermits({ limit, limitSpares, onError }: PermitsDeps): Permits {
  /** Who has permits; one session can have two for a moment, while its process ends. */
  const held: Holder[] = [];
  let queue: Entry[] = [];
  /** Those whose process may be let go, the longest idle first. Some have become busy since: their sleep says so. */
  const idle = new Set<Holder>();
  /** Sessions that are being put to sleep, one for each of the first in the queue. */
  let making = 0;

  const shareWithSpares = async (): Promise<void> => {
    try {
      await limitSpares(limit - held.length);
    } catch (error) {
      onError(error, 'end an agent that was started ahead');
    }
  };

  const refusal = ({ maker }: Holder): AppError => {
    const isOwn = maker !== null && held.every((holder) => holder.maker === maker);
    return isOwn
      ? problem('own_agents_busy', { limit, retryAfterSeconds: LOOK_AGAIN_SECONDS })
      : problem('agents_busy');
  };

  const grant = ({ holder, resolve }: Entry): void => {
    held.push(holder);
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      held.splice(held.indexOf(holder), 1);
      idle.delete(holder);
      void shareWithSpares();
      pump();
    };
    void shareWithSpares().then(() => resolve(release));
  };

  const putToSleep = async (holder: Holder): Promise<void> => {
    idle.delete(holder);
    making += 1;
    try {
      await holder.sleep();
    } catch (error) {
      onError(error, 'put a session to sleep');
    } finally {
      making -= 1;
      pump();
    }
  };

  const tellPosition = (entry: Entry, position: number): void => {
    const isNear = position <= TOLD_SINGLY && position !== entry.told;
    if (!isNear && entry.told > 0 && position > entry.told * 0.9) return;
    entry.told = position;
    entry.application.onPosition(position);
  };

  const pump = (): void => {
    while (held.length < limit && queue.length > 0) grant(queue.shift() as Entry);
    for (const holder of [...idle].slice(0, Math.max(0, queue.length - making))) void putToSleep(holder);
    const refused = queue.filter(({ application }, index) => index >= making && !application.waits());
    queue = queue.filter((entry) => !refused.includes(entry));
    for (const { reject, holder } of refused) reject(refusal(holder));
    for (const [index, entry] of queue.entries()) if (index >= making) tellPosition(entry, index + 1);
  };

  void shareWithSpares();

  return {
    acquire: (holder, application) =>
      new Promise((resolve, reject) => {
        const { signal } = application;
        const entry: Entry = { holder, application, resolve, reject, told: 0 };
        const leave = (): void => {
          if (!queue.includes(entry)) return;
          queue = queue.filter((each) => each !== entry);
          reject(signal.reason);
          pump();
        };
        if (signal.aborted) return reject(signal.reason);
        signal.addEventListener('abort', leave, { once: true });
        queue.push(entry);
        pump();
      }),
    noteIdle(holder) {
      idle.delete(holder);
      idle.add(holder);
      if (queue.length > 0) pump();
    },
    isCrowded: () => queue.some(({ application }, index) => index >= making && application.waits()),
    free: () => limit - held.length + [...idle].filter((holder) => holder.isIdle()).length,
    refusal,
  };
}
