import type { Agent, AgentEvents, AgentProcess, StartOptions } from '../agent/agent.ts';
import { AppError, isOutOfFiles, messageOf, OUT_OF_FILES, problem } from '../errors.ts';

/** The agent process of one session: there or not, started when needed, never two at once. */
export interface WarmAgent {
  live(): AgentProcess | undefined;
  /** There is a process, or one is starting. */
  isUp(): boolean;
  /** Starts a process if there is none. @throws AppError 502 with the agent's own words */
  wake(): Promise<AgentProcess>;
  /** Asks a process, and wakes one for it. @throws AppError 504 when it does not answer in time */
  ask<T>(question: (process: AgentProcess) => Promise<T>): Promise<T>;
  /**
   * Tells a live process something; one that sleeps learns it at its next start.
   * @throws AppError 409 when it refuses, 504 when it does not answer in time
   */
  tell(say: (process: AgentProcess) => Promise<void>): Promise<void>;
  /** Ends the process, also one that is just starting; settles when it is gone. */
  end(): Promise<void>;
}

export interface WarmAgentDeps {
  agent: Agent;
  /** Throws an AppError that says why no process may be started as things are. */
  checkStart(): Promise<void>;
  options(): Promise<StartOptions>;
  events: AgentEvents;
  /** Throws when the session may have no process (any more). */
  checkAllowed(): void;
  onStart(): void;
  /** An agent that is frozen, or busy with a hook, never answers: nobody waits for it longer than this. */
  answerWithinMs?: number;
}

/** A control request is answered in milliseconds; with a hook or a count of tokens behind it in seconds. */
const ANSWER_WITHIN_MS = 10_000;

export function createWarmAgent(deps: WarmAgentDeps): WarmAgent {
  const {
    agent,
    checkStart,
    options,
    events,
    checkAllowed,
    onStart,
    answerWithinMs = ANSWER_WITHIN_MS,
  } = deps;
  let process: AgentProcess | undefined;
  let starting: { process: Promise<AgentProcess>; abort: AbortController } | undefined;

  const start = async (signal: AbortSignal): Promise<AgentProcess> => {
    let mine: AgentProcess | undefined;
    let dead = false;
    await checkStart();
    try {
      mine = await agent.start(
        await options(),
        {
          ...events,
          onExit(exit) {
            dead = true;
            if (process === mine) process = undefined;
            events.onExit(exit);
          },
        },
        signal,
      );
    } catch (error) {
      // It was ended on purpose: who did that has the better reason.
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
      await mine.close();
      throw error;
    }
    process = mine;
    onStart();
    return mine;
  };

  const wake = async (): Promise<AgentProcess> => {
    checkAllowed();
    if (process) return process;
    if (!starting) {
      const abort = new AbortController();
      const begun = start(abort.signal).finally(() => {
        starting = undefined;
      });
      starting = { process: begun, abort };
    }
    return starting.process;
  };

  const inTime = async <T>(answer: Promise<T>): Promise<T> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const seconds = answerWithinMs / 1000;
      timer = setTimeout(() => reject(problem('agent_not_answering', { seconds })), answerWithinMs);
    });
    // It may still fail when nobody waits any more.
    answer.catch(() => {});
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  };

  const refused = (error: unknown): AppError =>
    error instanceof AppError ? error : problem('agent_refused', { why: messageOf(error) });

  return {
    live: () => process,
    isUp: () => process !== undefined || starting !== undefined,
    wake,
    async ask(question) {
      const live = await wake();
      try {
        return await inTime(question(live));
      } catch (error) {
        throw refused(error);
      }
    },
    async tell(say) {
      const telling = async (): Promise<void> => {
        const live = process ?? (await starting?.process.catch(() => undefined));
        if (live) await say(live);
      };
      try {
        await inTime(telling());
      } catch (error) {
        throw refused(error);
      }
    },
    async end() {
      // A start may take a minute (a hook of the user's runs in it): it is given up.
      starting?.abort.abort();
      const live = process ?? (await starting?.process.catch(() => undefined));
      process = undefined;
      await live?.close();
    },
  };
}
