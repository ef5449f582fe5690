import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DemoServer, startDemoServer } from 'claude-agent-demo-model';
import type { UserInput } from 'claude-agent-protocol';
import type {
  Agent,
  AgentEvents,
  AgentMessage,
  AgentProcess,
  Decision,
  Question,
  StartOptions,
  TurnEnd,
} from '../../src/agent/agent.ts';
import { createClaude } from '../../src/agent/claude/index.ts';
import { createLibrary, type Library } from '../../src/agent/claude/library/library.ts';
import { createProcesses } from '../../src/agent/processes.ts';
import { QUIET_AGENT } from './server.ts';

export interface Running {
  process: AgentProcess;
  /** The next question that the agent asks, and how to answer it. */
  asked(): Promise<{ question: Question; answer(decision: Decision): void }>;
  /** Settles with the first turn's end. */
  ended: Promise<TurnEnd>;
  messages: AgentMessage[];
  gone: Promise<void>;
  ownTurns(): number;
}

/** The real agent behind its port, without a server around it. */
export interface AgentPort {
  agent: Agent;
  demo: DemoServer;
  library: Library;
  folder: string;
  /** Pids of the processes that were started, the latest last. */
  pids: number[];
  /** Bodies of the model calls so far. */
  asked: string[];
  /** An empty folder to work in. */
  workFolder(): string;
  /** @param early a message for the process as soon as it takes any, before it is ready */
  start(options: StartOptions, early?: UserInput): Promise<Running>;
  /** Options of a new session in a folder. */
  optionsIn(cwd: string, id?: string): StartOptions;
  close(): Promise<void>;
}

export async function openAgentPort({ spares = 0 }: { spares?: number } = {}): Promise<AgentPort> {
  const asked: string[] = [];
  const demo = await startDemoServer({ onRequest: ({ body }) => void asked.push(JSON.stringify(body)) });
  const folder = mkdtempSync(join(tmpdir(), 'agent-server-port-'));
  const processes = createProcesses(crypto.randomUUID());
  const pids: number[] = [];
  const library = createLibrary({
    projects: join(folder, '.claude/projects'),
    file: join(folder, 'transcripts.db'),
  });
  const agent = createClaude({
    library,
    processes: {
      ...processes,
      spawn(sessionId, request) {
        const owned = processes.spawn(sessionId, request);
        pids.push(owned.child.pid ?? 0);
        return owned;
      },
    },
    spares: { count: spares, folder: join(folder, 'spare'), onError: () => undefined },
    link: () => ({
      env: {
        PATH: process.env.PATH ?? '',
        HOME: folder,
        CLAUDE_CONFIG_DIR: join(folder, '.claude'),
        ANTHROPIC_BASE_URL: demo.url,
        ANTHROPIC_API_KEY: 'any',
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
        ...QUIET_AGENT,
      },
      meter: undefined,
      explain: (words) => words,
      end: () => undefined,
    }),
    price: async () => undefined,
    allowBypassPermissions: false,
  });
  return {
    agent,
    demo,
    library,
    folder,
    pids,
    asked,
    workFolder: () => mkdtempSync(join(folder, 'work-')),
    start: (options, early) => startOn(agent, options, early),
    optionsIn: (cwd, id = crypto.randomUUID()) => ({
      sessionId: id,
      tenant: 'default',
      conversationId: id,
      cwd,
      model: undefined,
      permissionMode: 'default',
      title: null,
      options: { include_partial_messages: false, enable_proxy: false } as unknown as StartOptions['options'],
      resume: false,
      spentUsd: 0,
    }),
    async close() {
      await agent.close();
      await processes.sweep();
      await processes.release();
      await demo.close();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function startOn(agent: Agent, options: StartOptions, early?: UserInput): Promise<Running> {
  const questions: { question: Question; answer(decision: Decision): void }[] = [];
  let tell = (): void => {};
  const ended = Promise.withResolvers<TurnEnd>();
  const gone = Promise.withResolvers<void>();
  const messages: AgentMessage[] = [];
  let own = 0;
  const events: AgentEvents = {
    onOpen: ({ send }) => early !== undefined && send(crypto.randomUUID(), early),
    onTaken: () => {},
    onOwnTurn() {
      own += 1;
    },
    onBusy: () => {},
    onIdle: () => {},
    onMessage(message, end) {
      messages.push(message);
      if (end) ended.resolve(end);
    },
    onDelta: () => {},
    onQuestion: (question) =>
      new Promise((answer) => {
        questions.push({ question, answer });
        tell();
      }),
    onCall: async () => ({ ok: false, message: 'no' }),
    onBeforeCall: async () => {},
    onPermissionMode: () => {},
    onModel: () => {},
    onTitle: () => {},
    onFolder: () => {},
    onConversation: () => {},
    onExit: () => gone.resolve(),
  };
  const process = await agent.start(options, events, new AbortController().signal);
  return {
    process,
    async asked() {
      while (questions.length === 0) {
        await new Promise<void>((resolve) => {
          tell = resolve;
        });
      }
      return questions.shift() as (typeof questions)[number];
    },
    ended: ended.promise,
    messages,
    gone: gone.promise,
    ownTurns: () => own,
  };
}
