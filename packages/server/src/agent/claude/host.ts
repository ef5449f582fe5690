import { setTimeout as sleep } from 'node:timers/promises';
import type { Options } from '@anthropic-ai/claude-agent-sdk';
import type { StartOptions } from '../agent.ts';
import type { ReadGit } from '../git.ts';
import type { OwnedProcess, Processes } from '../processes.ts';
import type { Confinement, Guest, Sandbox } from '../sandbox/sandbox.ts';
import { withPlaceholders } from '../secrets/placeholders.ts';
import { type AnswerWatch, createAnswerWatch } from './answers.ts';
import type { Asked } from './asked.ts';
import { hookOptions, recordFirst, toolServers } from './callbacks.ts';
import type { ModelLink } from './link.ts';
import { sdkOptions } from './options.ts';
import { AGENT_VERSION, knowsFormat } from './parking.ts';
import { askForm, askHuman } from './questions.ts';
import { guardedEnvironment } from './trust.ts';

/** The exit of a dead process is noticed within this time after its pipes break. */
const EXIT_NOTICE_MS = 100;
/** A spent budget still needs a number, and the agent rejects 0. */
const SPENT_USD = 0.000001;

/** What a process is started with, and what is known about it before its first message. */
export interface Host {
  link: ModelLink;
  /** The whole environment of the process. */
  env: Record<string, string>;
  /** The environment that a process for such a session needs. */
  guarded(session: StartOptions): Promise<Record<string, string>>;
  options: Options;
  answers: AnswerWatch;
  /** Prepares what the process runs in. Call it right before it starts. */
  enter(guest: Guest): Promise<void>;
  /** Settles when what the process runs in is complete. */
  entered(): Promise<void>;
  /** The process, once the SDK has started it. */
  owned(): OwnedProcess | undefined;
  /** Ends the process, if there is one. */
  abort(): void;
}

export interface HostDeps {
  processes: Processes;
  /** Connects one process to its models. */
  link(session: StartOptions): ModelLink;
  readGit: ReadGit;
  /** What processes run in; undefined for the machine as it is. */
  sandbox?: Sandbox | undefined;
  /**
   * Whether calls wait until they stand in the log, in sessions whose turns go on after a crash: another machine does not
   * have the transcript, and without a record it would let the call be made again.
   */
  recordsCalls?: boolean;
  /** Whether processes may be switched to bypassPermissions. */
  allowBypassPermissions: boolean;
}

/** Prepares a process: its SDK options, its environment and its connection to the models. */
export async function prepareHost(deps: HostDeps, start: StartOptions, asked: Asked): Promise<Host> {
  const link = deps.link(start);
  const guarded: Host['guarded'] = (session) => guardedEnvironment(session, link.env, deps.readGit);
  const env = await guarded(start);
  const given = sdkOptions(withSecrets(start), deps.allowBypassPermissions);
  const { max_budget_usd: budget } = start.options;
  const abort = new AbortController();
  const answers = createAnswerWatch();
  let owned: OwnedProcess | undefined;
  let confinement: Confinement | undefined;
  // The SDK also aborts its questions when the process dies; onExit reports that, with the reason.
  const withdrawalOf = (signal: AbortSignal): AbortSignal => {
    const withdrawn = new AbortController();
    const tell = async (): Promise<void> => {
      const died = await Promise.race([owned?.exited, sleep(EXIT_NOTICE_MS, undefined)]);
      if (!died) withdrawn.abort();
    };
    if (signal.aborted) void tell();
    else signal.addEventListener('abort', () => void tell(), { once: true });
    return withdrawn.signal;
  };
  const { hooks = {} } = hookOptions(start.options, asked, withdrawalOf);
  const recordsCalls = deps.recordsCalls === true && start.options.on_crash === 'resume';
  return {
    link,
    env,
    guarded,
    answers,
    async enter(guest) {
      confinement = await deps.sandbox?.enter(guest);
    },
    entered: () => confinement?.ready ?? Promise.resolve(),
    owned: () => owned,
    abort: () => abort.abort(),
    options: {
      ...given,
      // The gateway enforces the budget of a metered session with real prices. The agent counts from its own start
      // (measured: a resumed process may spend all of its budget again), so it gets what is left.
      ...(!link.meter &&
        budget !== undefined && { maxBudgetUsd: Math.max(budget - start.spentUsd, SPENT_USD) }),
      env: { ...env, CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS: '1' },
      abortController: abort,
      hooks: {
        ...hooks,
        ...(recordsCalls && { PreToolUse: [...(hooks.PreToolUse ?? []), recordFirst(asked)] }),
      },
      mcpServers: { ...given.mcpServers, ...toolServers(start.options, asked, withdrawalOf) },
      canUseTool: askHuman(
        asked,
        withdrawalOf,
        knowsFormat(AGENT_VERSION) ? answers.isAlone : async () => false,
      ),
      onElicitation: askForm(asked, withdrawalOf),
      spawnClaudeCodeProcess(request) {
        owned = deps.processes.spawn(start.sessionId, { ...request, confinement });
        // Its streams are pipes, and the SDK documents ChildProcess as acceptable.
        return owned.child as unknown as ReturnType<NonNullable<Options['spawnClaudeCodeProcess']>>;
      },
    },
  };
}

/** MCP servers get placeholders too: in their variables and headers, by the names of the secrets. */
function withSecrets(start: StartOptions): StartOptions {
  const { secrets = [], options } = start;
  const { mcp_servers, agents } = options;
  if (secrets.length === 0) return start;
  return {
    ...start,
    options: {
      ...options,
      ...(mcp_servers && { mcp_servers: withPlaceholders(mcp_servers, secrets) }),
      ...(agents && { agents: withPlaceholders(agents, secrets) }),
    },
  };
}
