import { setTimeout as sleep } from 'node:timers/promises';
import { type Options, query } from '@anthropic-ai/claude-agent-sdk';
import { messageOf } from '../../errors.ts';
import type { UsageRow } from '../../store/store.ts';
import type { Agent, StartOptions } from '../agent.ts';
import type { OwnedProcess, Processes } from '../processes.ts';
import { controls } from './controls.ts';
import { createInbox } from './inbox.ts';
import { readMessages } from './messages.ts';
import { sdkOptions } from './options.ts';
import { askForm, askHuman } from './questions.ts';
import { createResultReader, spentByAccountOfSdk } from './results.ts';
import { transcripts } from './transcripts.ts';
import { guardedEnvironment } from './trust.ts';

/** As long may a process take until it answers the initialize request; measured: 0.3 to 1 s. */
const START_TIMEOUT_MS = 60_000;
/** The end of a dead process is noticed this soon after its pipes break. */
const EXIT_NOTICE_MS = 100;

export interface ClaudeDeps {
  processes: Processes;
  /** The whole environment of a session's process. */
  environment(session: StartOptions): Record<string, string>;
  /**
   * For a session whose model calls go through this server's gateway: what it spent since the last time. The
   * gateway knows real prices; the SDK invents one for every name that it does not know.
   */
  meter(session: StartOptions): (() => Promise<UsageRow[]>) | undefined;
  /** Whether processes may be switched to bypassPermissions. */
  allowBypassPermissions: boolean;
}

/** The agent through its SDK: this folder alone knows it. */
export function createClaude({ processes, environment, meter, allowBypassPermissions }: ClaudeDeps): Agent {
  return {
    async start(options, events) {
      const inbox = createInbox();
      const env = await guardedEnvironment(options, environment(options));
      const metered = meter(options);
      const abort = new AbortController();
      let owned: OwnedProcess | undefined;
      // The SDK also withdraws its questions when the process dies; that is told by onExit, with the reason.
      const moot = (signal: AbortSignal): AbortSignal => {
        const withdrawn = new AbortController();
        const tell = async (): Promise<void> => {
          const died = await Promise.race([owned?.exited, sleep(EXIT_NOTICE_MS, undefined)]);
          if (!died) withdrawn.abort();
        };
        if (signal.aborted) void tell();
        else signal.addEventListener('abort', () => void tell(), { once: true });
        return withdrawn.signal;
      };
      const sdk = query({
        prompt: inbox.messages(),
        options: {
          ...sdkOptions(options, allowBypassPermissions),
          // The gateway holds a metered session to its budget, by real prices.
          ...(!metered &&
            options.options.max_budget_usd !== undefined && { maxBudgetUsd: options.options.max_budget_usd }),
          env,
          abortController: abort,
          canUseTool: askHuman(events, moot),
          onElicitation: askForm(events, moot),
          spawnClaudeCodeProcess(request) {
            owned = processes.spawn(options.sessionId, request);
            // Its streams are pipes, as asked for; ChildProcess is what the SDK documents as fitting.
            return owned.child as unknown as ReturnType<NonNullable<Options['spawnClaudeCodeProcess']>>;
          },
        },
      });

      const close = async (): Promise<void> => {
        inbox.end();
        sdk.close();
        abort.abort();
        await owned?.end();
      };

      let reported = '';
      const reading = readMessages(
        sdk,
        events,
        createResultReader({ spentBy: metered ?? spentByAccountOfSdk(), isBooked: metered !== undefined }),
      ).catch((error: unknown) => {
        reported = messageOf(error);
      });

      try {
        await within(START_TIMEOUT_MS, Promise.race([sdk.initializationResult(), reading.then(failStart)]));
      } catch (error) {
        await close();
        throw new Error(owned?.words() || reported || messageOf(error));
      }

      const gone = Promise.all([reading, owned?.exited]).then(async ([, exit]) => {
        await owned?.end();
        events.onExit({
          code: exit?.code ?? null,
          signal: exit?.signal ?? null,
          words: [reported, owned?.words()].filter(Boolean).join('; '),
        });
      });

      return {
        ...controls(sdk),
        pid: owned?.child.pid,
        send: inbox.push,
        async close() {
          await close();
          await gone;
        },
      };
    },

    ...transcripts,
    sweep: () => processes.sweep(),
  };
}

function failStart(): never {
  throw new Error('The agent process ended before it was ready.');
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`The agent was not ready after ${ms / 1000} seconds.`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
