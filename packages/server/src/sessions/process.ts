import type { UserInput } from 'claude-agent-protocol';
import type { Agent, AgentEvents, AgentProcess, StartOptions } from '../agent/agent.ts';
import { AppError, isOutOfFiles, messageOf, OUT_OF_FILES, problem } from '../errors.ts';

/** A running process, numbered within its session. */
interface Live {
  number: number;
  process: AgentProcess;
}

/** The agent process of one session, treated as a cache: started when needed, never two at once. */
export interface ProcessHandle {
  live(): AgentProcess | undefined;
  /** A process is running or starting. */
  isUp(): boolean;
  /** Starts a process if there is none. @throws AppError 502 with the agent's own words */
  wake(): Promise<Live>;
  /** Hands a message to the process with this number; false when it is gone. */
  send(number: number, turnId: string, input: UserInput): boolean;
  /** Asks the process, starting one if necessary. @throws AppError 504 when it does not answer in time */
  ask<T>(question: (process: AgentProcess) => Promise<T>): Promise<T>;
  /**
   * Tells a live process something; a sleeping session applies it at its next start.
   * @throws AppError 409 when it refuses, 504 when it does not answer in time
   */
  tell(say: (process: AgentProcess) => Promise<void>): Promise<void>;
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
  events(number: number): AgentEvents;
  /** @throws AppError when the session may not have a process */
  checkAllowed(): void;
  onStart(number: number): void;
  /** A frozen agent, or one that is busy with a hook, may never answer: the longest wait for it. */
  answerWithinMs?: number;
}

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
    answerWithinMs = ANSWER_WITHIN_MS,
  } = deps;
  let live: Live | undefined;
  let starting: { live: Promise<Live>; abort: AbortController } | undefined;
  let ending: Promise<void> = Promise.resolve();
  let killing: Promise<void> = Promise.resolve();
  let started = 0;
  let startedAt = '';

  const start = async (signal: AbortSignal): Promise<Live> => {
    const number = ++started;
    startedAt = new Date().toISOString();
    let dead = false;
    let process: AgentProcess;
    // Two processes would write to one transcript.
    await Promise.all([ending, killing]);
    await checkStart();
    try {
      const heard = events(number);
      const onExit: AgentEvents['onExit'] = (exit) => {
        dead = true;
        if (live?.number === number) live = undefined;
        heard.onExit(exit);
      };
      process = await agent.start(await options(), { ...heard, onExit }, signal);
    } catch (error) {
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
      await process.close();
      throw error;
    }
    live = { number, process };
    onStart(number);
    return live;
  };

  const wake = async (): Promise<Live> => {
    checkAllowed();
    if (live) return live;
    if (!starting) {
      const abort = new AbortController();
      const begun = start(abort.signal).finally(() => {
        starting = undefined;
      });
      starting = { live: begun, abort };
    }
    return starting.live;
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
    // A start may take a minute (the user's hooks run during it), so it is aborted.
    starting?.abort.abort();
    const last = live ?? (await starting?.live.catch(() => undefined));
    live = undefined;
    await last?.process.close();
  };

  return {
    live: () => live?.process,
    isUp: () => live !== undefined || starting !== undefined,
    wake,
    send(number, turnId, input) {
      if (live?.number !== number) return false;
      live.process.send(turnId, input);
      return true;
    },
    async ask(question) {
      const { process } = await wake();
      try {
        return await inTime(question(process));
      } catch (error) {
        throw refused(error);
      }
    },
    async tell(say) {
      const telling = async (): Promise<void> => {
        const told = live ?? (await starting?.live.catch(() => undefined));
        if (told) await say(told.process);
      };
      try {
        await inTime(telling());
      } catch (error) {
        throw refused(error);
      }
    },
    startedAt: () => startedAt,
    async kill() {
      const last = live;
      live = undefined;
      killing = Promise.all([killing, last?.process.kill()]).then(() => {});
      await killing;
    },
    async end() {
      ending = Promise.allSettled([ending, end()]).then(() => {});
      await ending;
    },
  };
}
