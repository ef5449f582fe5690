import { query } from '@anthropic-ai/claude-agent-sdk';
import { REQUEST_TIMEOUT_MS } from 'claude-agent-protocol';
import { messageOf } from '../../errors.ts';
import type { Agent, AgentEvents, AgentProcess, ParkedCall, StartOptions } from '../agent.ts';
import { configDir } from '../environment.ts';
import { createGitReader } from '../git.ts';
import type { Price } from '../tally.ts';
import { converse } from './conversation.ts';
import { type HostDeps, prepareHost } from './host.ts';
import { createInbox, type Inbox } from './inbox.ts';
import type { Library } from './library/library.ts';
import { watchErased } from './mirror/erased.ts';
import type { Mirror } from './mirror/mirror.ts';
import { markDeferred, unmark } from './parking.ts';
import { whenReady } from './ready.ts';
import { rebuildTranscript } from './rebuild.ts';
import { keepReportsShort } from './reports.ts';
import { claimSpare, createSpares, type SparesOptions } from './spares.ts';
import { savedTotals } from './totals.ts';
import { findTranscript, removeStub } from './transcript-file.ts';
import { transcripts } from './transcripts.ts';

export interface ClaudeDeps extends Omit<HostDeps, 'readGit'> {
  /** The transcripts on disk. */
  library: Library;
  /** Where other nodes find them; undefined where there are none. */
  mirror?: Mirror | undefined;
  /** The price of a call that the agent did not count. */
  price: Price;
  /** Processes that are started before a session needs them. */
  spares: SparesOptions;
  /** Time for a process to answer the initialize request (measured: 0.3 to 1 s). */
  startTimeoutMs?: number;
}

/** The agent through its SDK. Only this folder knows the SDK. */
export function createClaude(deps: ClaudeDeps): Agent {
  keepReportsShort();
  const { processes, library, mirror, price, startTimeoutMs = REQUEST_TIMEOUT_MS } = deps;
  const hostDeps: HostDeps = { ...deps, recordsCalls: mirror !== undefined, readGit: createGitReader() };
  const spares = createSpares(hostDeps, deps.spares);
  const stored = transcripts(library, mirror);
  const erased = mirror && watchErased(mirror);

  const startCold = async (
    options: StartOptions,
    events: AgentEvents,
    inbox: Inbox,
    signal: AbortSignal,
  ): Promise<AgentProcess> => {
    const host = await prepareHost(hostDeps, options, events);
    const { parked, continued } = options;
    if (parked ?? continued)
      await readyTurn(library.projects, options, {
        toolUseId: parked?.toolUseId,
        said: (parked ?? continued)?.said ?? [],
      });
    if (options.resume && !parked) await forgetParked(library.projects, options.conversationId);
    // Read before the process starts: it writes its own totals when it ends.
    const saved =
      !options.resume || host.link.meter
        ? {}
        : await savedTotals(configDir(host.env), options.conversationId);
    await host.enter(options);
    const sdk = query({ prompt: inbox.messages(), options: host.options });
    let isReady = false;
    const ready = Promise.all([sdk.initializationResult(), host.entered()]).then(() => {
      isReady = true;
    });
    const recording = mirror?.open(options);
    const conversation = converse(sdk, host, inbox, { price, saved, recording }, options, {
      ...events,
      // A process that cannot start may say so with a result (a resume of nothing does): no turn's end.
      onMessage: (message, end) => events.onMessage(message, isReady ? end : undefined),
    });
    events.onOpen({ send: inbox.push, isSpare: false });
    try {
      await whenReady(ready, conversation.reading, signal, startTimeoutMs);
    } catch (error) {
      // The SDK's error on close ("The operation was aborted") is not the reason.
      const reason = conversation.reported();
      await conversation.close();
      host.link.end();
      // Nor is what it said of something else before it was given up.
      const words = signal.aborted ? '' : withoutWarnings(host.owned()?.words() ?? '');
      throw new Error(words || reason || messageOf(error));
    }
    return conversation.ready();
  };

  const startAnyhow: typeof startCold = async (options, events, inbox, signal) => {
    try {
      return await startCold(options, events, inbox, signal);
    } catch (error) {
      if (options.resume || signal.aborted) throw error;
      if (!(await removeStub(library.projects, options.conversationId))) throw error;
      return startCold(options, events, inbox, signal);
    }
  };

  return {
    async start(options, heard, signal) {
      const started = spares.startBegins();
      const inbox = createInbox();
      let isOpen = false;
      const events: AgentEvents = {
        ...heard,
        // A process that starts in a spare's stead has its inbox.
        onOpen(process) {
          if (!isOpen) heard.onOpen(process);
          isOpen = true;
        },
      };
      try {
        const spare = spares.take(options.sessionId);
        const claimed = spare && (await claimSpare(spare, { price, mirror }, options, events, inbox, signal));
        return claimed ?? (await startAnyhow(options, events, inbox, signal));
      } finally {
        started();
      }
    },

    reserve: spares.reserve,
    expect: spares.expect,
    limitSpares: spares.limit,

    ...stored,
    sweep: () => processes.sweep(),
    async erase(conversationIds, sessionId) {
      await stored.erase(conversationIds);
      if (sessionId !== undefined) await deps.sandbox?.erase(sessionId);
    },
    async close() {
      await erased?.stop();
      await spares.close();
      await library.close();
    },
  };
}

/** The agent warns of each model that it does not know: that is no reason for anything. */
const withoutWarnings = (words: string): string =>
  words
    .split('\n')
    .filter((line) => !line.startsWith('[claude-code:unrecognized_model]'))
    .join('\n')
    .trim();

/** A call that was parked, and whose turn has ended meanwhile, is not asked for again. */
async function forgetParked(projects: string, conversationId: string): Promise<void> {
  const path = await findTranscript(projects, conversationId);
  if (path !== undefined) await unmark(path);
}

/**
 * Prepares the transcript of a turn that goes on: with a call that waits, so that the agent asks for it again.
 * @throws when it cannot be written
 */
async function readyTurn(
  projects: string,
  { conversationId: id, cwd, permissionMode }: StartOptions,
  turn: { toolUseId: string | undefined; said: ParkedCall['said'] },
): Promise<void> {
  let path = await findTranscript(projects, id);
  // The process was killed before it wrote a line.
  path ??= await rebuildTranscript(projects, { id, cwd }, turn.said);
  await markDeferred(path, { id, cwd, permissionMode }, turn);
}
