import type { UserInput } from 'claude-agent-protocol';
import type { Agent, AgentEvents, AgentProcess, StartOptions } from '../agent/agent.ts';
import { AppError, isOutOfFiles, messageOf, OUT_OF_FILES, problem } from '../errors.ts';
import { type Application, isBusy, type Release } from './permits.ts';

/** A running process, numbered within its session. */
interface Live {
  number: number;
  process: AgentProcess;
}

/** A process that takes messages; the handle's side of agent.ts's. */
interface Reached {
  number: number;
  isSpare: boolean;
  /** Settles when it is ready. @throws AppError as `wake` does */
  ready: Promise<unknown>;
}

/** A start that is under way. */
interface Attempt {
  abort: AbortController;
  /** Settles when its process takes messages, before it is ready. */
  opened: PromiseWithResolvers<Omit<Reached, 'ready'>>;
  /** A turn needs the process, and waits for as long as it takes. */
  waits: boolean;
  /** It has the permit for a process. */
  permitted: boolean;
  /** Its place among the starts that wait for a process of another session; 0 when it does not. */
  position: number;
  /** Settles when it has to wait. */
  held: PromiseWithResolvers<void>;
}

interface Starting extends Attempt {
  live: Promise<Live>;
}

/** The agent process of one session, treated as a cache: started when needed, never two at once. */
export interface ProcessHandle {
  live(): AgentProcess | undefined;
  /** A process is running or starting. */
  isUp(): boolean;
  /** A start has no permit yet. */
  needsPermit(): boolean;
  /** Something asks the process at the moment. */
  isInUse(): boolean;
  /** There is no process, and none starts or ends. */
  isAtRest(): boolean;
  /** A start waits until another session's process is gone. */
  isWaiting(): boolean;
  /**
   * Starts a process if there is none. `waits`: until a process of a busy session is gone, if need be.
   * @throws AppError 502 with the agent's own words, 503 or 429 when every process is busy and it does not wait
   */
  wake(how: { waits: boolean }): Promise<Live>;
  /**
   * The same, but settles as soon as the process takes messages: the agent prepares for the first one (30 ms) while it
   * starts.
   */
  reach(how: { waits: boolean }): Promise<Reached>;
  /** Gives up a start that waits for another session's process. */
  giveUp(): void;
  /** Hands a message to the process with this number; false when it is gone. */
  send(number: number, turnId: string, input: UserInput): boolean;
  /** Asks the process, starting one if necessary. @throws AppError 504 when it does not answer in time */
  ask<T>(question: (process: AgentProcess) => Promise<T>): Promise<T>;
  /**
   * Tells a process something that runs or starts; a sleeping session applies it at its next start, and so does one whose
   * start waits for a permit: that may take as long as the turns of others.
   * @returns whether there was one
   * @throws AppError 409 when it refuses, 504 when it does not answer in time
   */
  tell(say: (process: AgentProcess) => Promise<void>): Promise<boolean>;
  /** Settles when every process that was told to end is gone. */
  gone(): Promise<void>;
  /** Ends the process, even while it is starting; settles when it is gone. */
  end(): Promise<void>;
  /** Ends the process so that it writes nothing more: what it waits for can be asked again. */
  kill(): Promise<void>;
  /** When the present process, or the last one, was started (ISO 8601). */
  startedAt(): string;
}

export interface ProcessHandleDeps {
  agent: Agent;
  /** @throws AppError that says why no process may be started now */
  checkStart(): Promise<void>;
  options(): Promise<StartOptions>;
  events(number: number): Omit<AgentEvents, 'onOpen'>;
  /** @throws AppError when the session may not have a process */
  checkAllowed(): void;
  onStart(number: number): void;
  /** Gets the permit for a process. */
  acquire(application: Application): Promise<Release>;
  /** Why there is no permit for one that does not wait. */
  refusal(): AppError;
  /** A turn that waits for a process has this place among all that do. */
  onPosition(position: number): void;
  /** Nothing asks the process any more. */
  onUnused(): void;
  /** A frozen agent, or one that is busy with a hook, may never answer: the longest wait for it. */
  answerWithinMs?: number;
}

/** So often does a question begin again when others end its process while it starts. */
const STARTED_AGAIN = 2;

/** A control request takes milliseconds, or seconds when a hook or a token count is involved. */
const ANSWER_WITHIN_MS = 10_000;

export function createProcessHandle(deps: ProcessHandleDeps): ProcessHandle {
  const {
    agent,
    checkStart,
    options,
    events,
    checkAllowed,
    onStart,
    acquire,
    refusal,
    onPosition,
    onUnused,
    answerWithinMs = ANSWER_WITHIN_MS,
  } = deps;
  let live: Live | undefined;
  let starting: Starting | undefined;
  /** The process that takes messages: the live one, or one that is starting. */
  let open: { number: number; send: AgentProcess['send'] } | undefined;
  let questions = 0;
  let ending: Promise<void> = Promise.resolve();
  let killing: Promise<void> = Promise.resolve();
  /** Processes that are being ended or killed. */
  let leaving = 0;
  let started = 0;
  let startedAt = '';

  const start = async ({ abort: { signal }, opened }: Attempt, release: Release): Promise<Live> => {
    const number = ++started;
    startedAt = new Date().toISOString();
    let dead = false;
    let process: AgentProcess;
    await checkStart();
    try {
      const heard = events(number);
      const onExit: AgentEvents['onExit'] = (exit) => {
        dead = true;
        if (live?.number === number) live = undefined;
        shut(number);
        heard.onExit(exit);
        release();
      };
      const onOpen: AgentEvents['onOpen'] = ({ send, isSpare }) => {
        open = { number, send };
        opened.resolve({ number, isSpare });
      };
      process = await agent.start(await options(), { ...heard, onExit, onOpen }, signal);
    } catch (error) {
      shut(number);
      // It was ended on purpose, and the session's state says why.
      if (signal.aborted) checkAllowed();
      const words = messageOf(error);
      const why = isOutOfFiles(words) ? OUT_OF_FILES : words;
      throw problem('agent_start_failed', { why });
    }
    if (dead) throw problem('agent_start_failed', { why: undefined });
    try {
      // The session may have been closed while its process was starting.
      checkAllowed();
    } catch (error) {
      shut(number);
      await process.close();
      throw error;
    }
    live = { number, process };
    open = { number, send: process.send };
    onStart(number);
    opened.resolve({ number, isSpare: false });
    return live;
  };

  const shut = (number: number): void => {
    if (open?.number === number) open = undefined;
  };

  const begin = async (mine: Attempt): Promise<Live> => {
    const { signal } = mine.abort;
    // Two processes would write to one transcript.
    await Promise.all([ending, killing]);
    const release = await acquire({
      waits: () => mine.waits,
      onPosition(position) {
        mine.position = position;
        mine.held.resolve();
        onPosition(position);
      },
      signal,
    }).catch((error: unknown) => {
      if (signal.aborted) checkAllowed();
      throw signal.aborted ? problem('agent_start_failed', { why: 'It was given up.' }) : error;
    });
    mine.position = 0;
    mine.permitted = true;
    try {
      return await start(mine, release);
    } catch (error) {
      release();
      throw error;
    }
  };

  /** What comes of the start that is under way, or of a new one. */
  const join = async <T>(
    waits: boolean,
    outcome: (start: Starting) => Promise<T>,
    again = STARTED_AGAIN,
  ): Promise<T> => {
    let mine = starting;
    if (!mine) {
      const attempt: Attempt = {
        abort: new AbortController(),
        waits,
        permitted: false,
        position: 0,
        held: Promise.withResolvers(),
        opened: Promise.withResolvers(),
      };
      const begun: Starting = Object.assign(attempt, { live: begin(attempt) });
      starting = begun;
      mine = begun;
      const over = (): void => {
        if (starting === begun) starting = undefined;
      };
      begun.live.then(over, over);
      begun.live.catch(attempt.opened.reject);
      // Nobody may be waiting for this.
      attempt.opened.promise.catch(() => {});
    }
    if (!waits) {
      const { abort, held } = mine;
      return Promise.race([outcome(mine), held.promise.then(() => refuse())]).catch((error: unknown) => {
        if (!abort.signal.aborted || again === 0) throw error;
        // Another request, such as an interrupt, ended the process: that is no failure of this one.
        checkAllowed();
        return join(waits, outcome, again - 1);
      });
    }
    mine.waits = true;
    // Another turn than the one that was told may wait now.
    if (mine.position > 0) onPosition(mine.position);
    return outcome(mine);
  };

  const wake: ProcessHandle['wake'] = async ({ waits }) => {
    checkAllowed();
    return live ?? join(waits, (start) => start.live).catch((error) => again(error, waits, wake));
  };

  const reach: ProcessHandle['reach'] = async ({ waits }) => {
    checkAllowed();
    if (live) return { number: live.number, isSpare: false, ready: Promise.resolve() };
    return join(waits, async ({ opened, live: ready }) => ({ ...(await opened.promise), ready })).catch(
      (error) => again(error, waits, reach),
    );
  };

  /** The start of a question may have been refused just now; a turn waits. */
  const again = <T>(
    error: unknown,
    waits: boolean,
    ask: (how: { waits: boolean }) => Promise<T>,
  ): Promise<T> => {
    if (waits && isBusy(error)) return ask({ waits });
    throw error;
  };

  const refuse = (): never => {
    throw refusal();
  };

  /** Runs something that needs the process to stay. */
  const using = async <T>(work: () => Promise<T>): Promise<T> => {
    questions += 1;
    try {
      return await work();
    } finally {
      questions -= 1;
      if (questions === 0) onUnused();
    }
  };

  const inTime = async <T>(answer: Promise<T>): Promise<T> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const seconds = answerWithinMs / 1000;
      timer = setTimeout(() => reject(problem('agent_not_answering', { seconds })), answerWithinMs);
    });
    // It may still fail after the wait is over.
    answer.catch(() => {});
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  };

  const refused = (error: unknown): AppError =>
    error instanceof AppError ? error : problem('agent_refused', { why: messageOf(error) });

  const end = async (): Promise<void> => {
    open = undefined;
    // A start may take a minute (the user's hooks run during it), so it is aborted.
    starting?.abort.abort();
    const last = live ?? (await starting?.live.catch(() => undefined));
    live = undefined;
    await last?.process.close();
  };

  const until = async (gone: Promise<unknown>): Promise<void> => {
    leaving += 1;
    try {
      await gone;
    } finally {
      leaving -= 1;
    }
  };

  return {
    live: () => live?.process,
    isUp: () => live !== undefined || starting !== undefined,
    needsPermit: () => starting !== undefined && !starting.permitted,
    isInUse: () => questions > 0,
    isAtRest: () => !live && !starting && questions === 0 && leaving === 0,
    isWaiting: () => (starting?.position ?? 0) > 0,
    wake,
    reach,
    giveUp() {
      if (!starting || starting.position === 0) return;
      starting.abort.abort();
      starting = undefined;
    },
    send(number, turnId, input) {
      if (open?.number !== number) return false;
      open.send(turnId, input);
      return true;
    },
    async ask(question) {
      return using(async () => {
        const { process } = await wake({ waits: false });
        try {
          return await inTime(question(process));
        } catch (error) {
          throw refused(error);
        }
      });
    },
    async tell(say) {
      try {
        return await using(async () => {
          const start = starting?.permitted ? starting : undefined;
          const told = live ?? (await start?.live.catch(() => undefined));
          if (told) await inTime(say(told.process));
          return told !== undefined;
        });
      } catch (error) {
        throw refused(error);
      }
    },
    startedAt: () => startedAt,
    async kill() {
      const last = live;
      live = undefined;
      if (last) shut(last.number);
      killing = until(Promise.all([killing, last?.process.kill()]));
      await killing;
    },
    async gone() {
      await Promise.all([ending, killing]);
    },
    async end() {
      ending = until(Promise.allSettled([ending, killing, end()]));
      await ending;
    },
  };
}
