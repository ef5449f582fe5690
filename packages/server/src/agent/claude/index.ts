import { setTimeout as sleep } from 'node:timers/promises';
import { type Options, query } from '@anthropic-ai/claude-agent-sdk';
import { messageOf } from '../../errors.ts';
import type { UsageRow } from '../../store/store.ts';
import type { Agent, ParkedCall, Spent, StartOptions } from '../agent.ts';
import { configDir } from '../environment.ts';
import type { OwnedProcess, Processes } from '../processes.ts';
import type { Price } from '../tally.ts';
import { createAnswerWatch } from './answers.ts';
import { hookOptions, toolServers } from './callbacks.ts';
import { createChanges } from './changes.ts';
import { controls } from './controls.ts';
import { createInbox } from './inbox.ts';
import type { Library } from './library/library.ts';
import { readMessages } from './messages.ts';
import { sdkOptions } from './options.ts';
import { markDeferred } from './parking.ts';
import { askForm, askHuman } from './questions.ts';
import { rebuildTranscript } from './rebuild.ts';
import { createResultReader } from './results.ts';
import { createSpending } from './spending.ts';
import { savedTotals } from './totals.ts';
import { findTranscript } from './transcript-file.ts';
import { transcripts } from './transcripts.ts';
import { guardedEnvironment } from './trust.ts';

/** Measured: 0.3 to 1 s. */
const START_TIMEOUT_MS = 60_000;
/** The end of a dead process is noticed this soon after its pipes break. */
const EXIT_NOTICE_MS = 100;

/** How one process reaches its models, and what that comes to. */
export interface ModelLink {
  /** The whole environment of the process. */
  env: Record<string, string>;
  /**
   * Where its model calls go through this server's gateway: what was spent since this was last asked. The gateway
   * knows real prices; the SDK invents one for every name that it does not know.
   */
  meter: { take(): Promise<UsageRow[]> } | undefined;
  /** Adds to the agent's words why a turn failed, when it knows more; undefined for a turn that did not fail. */
  explain(words: string | undefined): string | undefined;
  /** The process is gone: its credentials are worth nothing any more. */
  end(): void;
}

export interface ClaudeDeps {
  processes: Processes;
  /** The transcripts on disk. */
  library: Library;
  /** Prepares the way of one process to its models. */
  link(session: StartOptions): ModelLink;
  /** What a call costs that the agent did not count itself. */
  price: Price;
  /** Whether processes may be switched to bypassPermissions. */
  allowBypassPermissions: boolean;
  /** As long may a process take until it answers the initialize request (60 s). */
  startTimeoutMs?: number;
}

/** A budget that is spent still needs a number, and the agent takes no 0. */
const SPENT_USD = 0.000001;

/** The agent through its SDK: this folder alone knows it. */
export function createClaude({
  processes,
  library,
  link,
  price,
  allowBypassPermissions,
  startTimeoutMs = START_TIMEOUT_MS,
}: ClaudeDeps): Agent {
  return {
    async start(options, events, signal) {
      const inbox = createInbox();
      const { env: plain, meter, explain, end: endLink } = link(options);
      const env = await guardedEnvironment(options, plain);
      const given = sdkOptions(options, allowBypassPermissions);
      if (options.parked) await askAgain(library.projects, options, options.parked);
      const { max_budget_usd: budget } = options.options;
      // Read before the process starts: it writes its own when it ends.
      const saved =
        given.resume === undefined || meter ? {} : await savedTotals(configDir(env), given.resume);
      const spending = createSpending(Promise.resolve(saved), price);
      const isBooked = meter !== undefined;
      const cut = async (): Promise<Spent> => ({
        spent: meter ? await meter.take() : await spending.cut(),
        isBooked,
      });
      const abort = new AbortController();
      const answers = createAnswerWatch();
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
          ...given,
          // The gateway holds a metered session to its budget, by real prices. The agent counts from its own start
          // (measured: a resumed process gets the whole of what it is given), so it is given what is left.
          ...(!meter &&
            budget !== undefined && { maxBudgetUsd: Math.max(budget - options.spentUsd, SPENT_USD) }),
          env: { ...env, CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS: '1' },
          abortController: abort,
          ...hookOptions(options.options, events, moot),
          mcpServers: { ...given.mcpServers, ...toolServers(options.options, events, moot) },
          canUseTool: askHuman(events, moot, answers.isAlone),
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

      const changes = createChanges(sdk, events);
      const readResult = createResultReader({
        spentBy: meter ? () => meter.take() : spending.upTo,
        isBooked,
        explain,
      });
      let reported = '';
      const reading = readMessages(
        sdk,
        events,
        async (message) => {
          await changes.atEnd(message);
          return readResult(message);
        },
        (message) => {
          changes.see(message);
          answers.see(message);
          if (!meter) spending.see(message);
        },
        options.parked?.turnId,
      ).catch((error: unknown) => {
        reported = messageOf(error);
      });

      try {
        const ready = Promise.race([sdk.initializationResult(), reading.then(failStart), givenUp(signal)]);
        await within(startTimeoutMs, ready);
      } catch (error) {
        // What closing makes the SDK say ("The operation was aborted") is not the reason.
        const reason = reported;
        await close();
        endLink();
        throw new Error(owned?.words() || reason || messageOf(error));
      }

      changes.begin();
      const gone = Promise.all([reading, owned?.exited]).then(async ([, exit]) => {
        await owned?.end();
        const unreported = await cut();
        endLink();
        events.onExit({
          cut: unreported,
          code: exit?.code ?? null,
          signal: exit?.signal ?? null,
          words: [reported, owned?.words()].filter(Boolean).join('; '),
        });
      });

      return {
        ...controls(sdk),
        setModel: changes.setModel,
        pid: owned?.child.pid,
        send: inbox.push,
        cut,
        async close() {
          await close();
          await gone;
        },
      };
    },

    ...transcripts(library),
    sweep: () => processes.sweep(),
  };
}

/** Makes a parked call ready to be asked again. @throws when its transcript cannot be written */
async function askAgain(
  projects: string,
  { conversationId: id, cwd, permissionMode }: StartOptions,
  parked: ParkedCall,
): Promise<void> {
  let path = await findTranscript(projects, id);
  // Killed before it wrote a line.
  path ??= await rebuildTranscript(projects, { id, cwd }, parked.said);
  await markDeferred(path, { id, cwd, permissionMode }, parked);
}

function failStart(): never {
  throw new Error('The agent process ended before it was ready.');
}

function givenUp(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const giveUp = (): void => reject(new Error('The start was given up.'));
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
  });
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new Error(
            `The agent did not answer within ${ms / 1000} seconds. Try again; if it stays so, look at what the machine is busy with, and at the hooks and MCP servers that start with the agent.`,
          ),
        ),
      ms,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
