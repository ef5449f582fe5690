import type { Agent, AgentEvents, AgentProcess, StartOptions } from '../agent/agent.ts';
import { AppError, messageOf } from '../errors.ts';

/** The agent process of one session: there or not, started when needed, never two at once. */
export interface WarmAgent {
  live(): AgentProcess | undefined;
  /** Starts a process if there is none. @throws AppError 502 with the agent's own words */
  wake(): Promise<AgentProcess>;
  /** Tells a live process something; one that sleeps learns it at its next start. @throws AppError 409 */
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
}

export function createWarmAgent({
  agent,
  checkStart,
  options,
  events,
  checkAllowed,
  onStart,
}: WarmAgentDeps): WarmAgent {
  let process: AgentProcess | undefined;
  let starting: Promise<AgentProcess> | undefined;

  const start = async (): Promise<AgentProcess> => {
    let mine: AgentProcess | undefined;
    let dead = false;
    await checkStart();
    try {
      mine = await agent.start(await options(), {
        ...events,
        onExit(exit) {
          dead = true;
          if (process === mine) process = undefined;
          events.onExit(exit);
        },
      });
    } catch (error) {
      throw new AppError('agent_start_failed', 502, `The agent cannot start: ${messageOf(error)}`);
    }
    if (dead) throw new AppError('agent_start_failed', 502, 'The agent ended right after its start.');
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

  /** The process that is there or on its way. */
  const current = async (): Promise<AgentProcess | undefined> =>
    process ?? (await starting?.catch(() => undefined));

  return {
    live: () => process,
    async wake() {
      checkAllowed();
      if (process) return process;
      starting ??= start().finally(() => {
        starting = undefined;
      });
      return starting;
    },
    async tell(say) {
      const live = await current();
      try {
        if (live) await say(live);
      } catch (error) {
        throw new AppError('agent_refused', 409, `The agent refused: ${messageOf(error)}`);
      }
    },
    async end() {
      const live = await current();
      process = undefined;
      await live?.close();
    },
  };
}
