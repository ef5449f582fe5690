import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CanUseTool,
  type ElicitationResult,
  forkSession,
  getSessionInfo,
  getSessionMessages,
  listSessions,
  type OnElicitation,
  type Options,
  type PermissionResult,
  type PermissionUpdate,
  type Query,
  query,
  type RewindFilesResult,
  renameSession,
  type SDKSessionInfo,
  type SDKUserMessage,
} from '@anthropic-ai/claude-agent-sdk';
import type { UserInput } from 'claude-agent-client';
import { AppError, messageOf } from '../errors.ts';
import type { UsageRow } from '../store/store.ts';
import type {
  Agent,
  AgentEvents,
  AgentMessage,
  AgentProcess,
  Decision,
  StartOptions,
  Transcript,
} from './agent.ts';
import type { OwnedProcess, Processes } from './processes.ts';
import {
  createResultReader,
  fate,
  type ResultMessage,
  type ResultReader,
  spentByAccountOfSdk,
  takenUp,
} from './results.ts';

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

/** The agent through its SDK: the only file that knows it. */
export function createClaude({ processes, environment, meter, allowBypassPermissions }: ClaudeDeps): Agent {
  return {
    async start(options, events) {
      const inbox = createInbox();
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
          env: environment(options),
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

    async transcripts({ cwd }) {
      const sessions = await listSessions(cwd === undefined ? {} : { dir: cwd });
      return sessions.filter(hasContent).map(toTranscript);
    },

    async transcript(sessionId) {
      const info = await getSessionInfo(sessionId);
      return info && toTranscript(info);
    },

    async history(sessionId, { limit, offset }) {
      const messages = await getSessionMessages(sessionId, { limit, offset });
      return messages.map(({ uuid, type, message, parent_tool_use_id }) => ({
        uuid,
        type,
        message,
        parent_tool_use_id,
      }));
    },

    async fork(sessionId, { upToMessageId, title }) {
      try {
        const fork = await forkSession(sessionId, {
          ...(upToMessageId !== undefined && { upToMessageId }),
          ...(title !== undefined && { title }),
        });
        return fork.sessionId;
      } catch (error) {
        throw new AppError('cannot_fork', 409, `The conversation cannot be forked: ${messageOf(error)}`);
      }
    },

    rename: (sessionId, title) => renameSession(sessionId, title),
    sweep: () => processes.sweep(),
  };
}

function failStart(): never {
  throw new Error('The agent process ended before it was ready.');
}

function sdkOptions(start: StartOptions, allowBypassPermissions: boolean): Options {
  const { options } = start;
  const given: Options = {
    cwd: start.cwd,
    ...(start.resume ? { resume: start.sessionId } : { sessionId: start.sessionId }),
    permissionMode: start.permissionMode,
    allowDangerouslySkipPermissions: allowBypassPermissions,
    systemPrompt: options.system_prompt ?? { type: 'preset', preset: 'claude_code' },
    includePartialMessages: true,
    forwardSubagentText: true,
    enableFileCheckpointing: true,
    // Keeps the secrets of MCP servers off the command line, which every user of the machine can read.
    mcpServersDelivery: 'initialize',
  };
  if (start.model !== undefined) given.model = start.model;
  if (start.title !== null) given.title = start.title;
  if (options.allowed_tools) given.allowedTools = options.allowed_tools;
  if (options.disallowed_tools) given.disallowedTools = options.disallowed_tools;
  if (options.additional_directories) given.additionalDirectories = options.additional_directories;
  if (options.mcp_servers) given.mcpServers = options.mcp_servers as NonNullable<Options['mcpServers']>;
  if (options.agents) given.agents = options.agents as NonNullable<Options['agents']>;
  if (options.max_turns !== undefined) given.maxTurns = options.max_turns;
  if (options.fallback_model !== undefined) given.fallbackModel = options.fallback_model;
  if (options.effort !== undefined) given.effort = options.effort;
  if (options.output_format !== undefined) given.outputFormat = options.output_format;
  if (options.setting_sources !== undefined) given.settingSources = options.setting_sources;
  return given;
}

/** The SDK's input stream: messages go in one by one, for as long as the process lives. */
function createInbox() {
  const queue: SDKUserMessage[] = [];
  let wake = (): void => {};
  let ended = false;
  return {
    push(turnId: string, input: UserInput): void {
      queue.push({
        type: 'user',
        uuid: turnId as NonNullable<SDKUserMessage['uuid']>,
        message: { role: 'user', content: input as SDKUserMessage['message']['content'] },
        parent_tool_use_id: null,
      });
      wake();
    },
    end(): void {
      ended = true;
      wake();
    },
    async *messages(): AsyncGenerator<SDKUserMessage> {
      while (!ended) {
        const next = queue.shift();
        if (next) yield next;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    },
  };
}

async function readMessages(sdk: Query, events: AgentEvents, readResult: ResultReader): Promise<void> {
  for await (const sdkMessage of sdk) {
    const message = sdkMessage as unknown as AgentMessage;
    if (message.type === 'system' && (message.subtype === 'status' || message.subtype === 'init')) {
      const { permissionMode } = sdkMessage as { permissionMode?: StartOptions['permissionMode'] };
      if (permissionMode) events.onPermissionMode(permissionMode);
    }
    const taken = takenUp(message);
    if (taken !== undefined) events.onTaken(taken);
    switch (fate(message)) {
      case 'keep':
        events.onMessage(
          message,
          message.type === 'result' ? await readResult(message as unknown as ResultMessage) : undefined,
        );
        break;
      case 'show':
        events.onDelta(message);
        break;
    }
  }
}

const KINDS = new Map([
  ['AskUserQuestion', 'question'],
  ['ExitPlanMode', 'plan'],
] as const);

type Moot = (signal: AbortSignal) => AbortSignal;

function askHuman(events: AgentEvents, moot: Moot): CanUseTool {
  return async (toolName, toolInput, asked) => {
    const suggestions = asked.suggestions ?? [];
    const decision = await events.onQuestion({
      kind: KINDS.get(toolName as 'AskUserQuestion') ?? 'tool',
      toolName,
      toolInput,
      toolUseId: asked.toolUseID,
      agentId: asked.agentID ?? null,
      suggestions,
      title: asked.title ?? null,
      description: asked.description ?? null,
      decisionReason: asked.decisionReason ?? null,
      blockedPath: asked.blockedPath ?? null,
      defaultToNo: asked.defaultToNo ?? false,
      signal: moot(asked.signal),
    });
    return permissionResult(decision, toolInput, suggestions);
  };
}

function permissionResult(
  decision: Decision,
  toolInput: Record<string, unknown>,
  suggestions: PermissionUpdate[],
): PermissionResult {
  if (!decision.allowed) {
    return { behavior: 'deny', message: decision.message, interrupt: decision.interrupt };
  }
  return {
    behavior: 'allow',
    updatedInput: decision.updatedInput ?? toolInput,
    // Verbatim: rebuilding suggestions is how others lost rules.
    ...(decision.applySuggestions && { updatedPermissions: suggestions }),
  };
}

function askForm(events: AgentEvents, moot: Moot): OnElicitation {
  return async (request, { signal }): Promise<ElicitationResult> => {
    const decision = await events.onQuestion({
      kind: 'elicitation',
      toolName: `mcp__${request.serverName}`,
      toolInput: { ...request },
      toolUseId: null,
      agentId: null,
      suggestions: [],
      title: request.title ?? request.message,
      description: request.description ?? null,
      decisionReason: null,
      blockedPath: null,
      defaultToNo: false,
      signal: moot(signal),
    });
    if (!decision.allowed) return { action: decision.interrupt ? 'cancel' : 'decline' };
    return {
      action: 'accept',
      content: (decision.updatedInput ?? {}) as NonNullable<ElicitationResult['content']>,
    };
  };
}

function controls(sdk: Query): Omit<AgentProcess, 'pid' | 'send' | 'close'> {
  return {
    async interrupt() {
      const receipt = await sdk.interrupt();
      return receipt?.still_queued ?? [];
    },
    setModel: (model) => sdk.setModel(model),
    setPermissionMode: (mode) => sdk.setPermissionMode(mode),
    async serverInfo() {
      const { pid: _, ...info } = { pid: undefined, ...(await sdk.initializationResult()) };
      return { ...info, commands: info.commands, output_style: info.output_style };
    },
    contextUsage: async () => ({ ...(await sdk.getContextUsage()) }),
    async rewindFiles(messageId, dryRun) {
      const result = await sdk
        .rewindFiles(messageId, { dryRun })
        .catch((error: unknown) => ({ canRewind: false, error: messageOf(error) }) as RewindFilesResult);
      return {
        can_rewind: result.canRewind,
        error: result.error ?? null,
        files_changed: result.filesChanged ?? [],
        insertions: result.insertions ?? 0,
        deletions: result.deletions ?? 0,
      };
    },
  };
}

const hasContent = (info: SDKSessionInfo): boolean => info.fileSize !== 0 && info.summary !== '';

function toTranscript(info: SDKSessionInfo): Transcript {
  return {
    sessionId: info.sessionId,
    modified: new Date(info.lastModified),
    preview: info.customTitle ?? info.firstPrompt ?? info.summary,
    cwd: info.cwd ?? null,
  };
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
