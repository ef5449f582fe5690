import { randomUUID } from 'node:crypto';
import type { TurnEnd } from '../../src/agent/agent.ts';
import type { CommandBody } from '../../src/sessions/machine/commands.ts';

/** The agent process as far as a session sees it. */
interface Process {
  number: number;
  /** Until then it takes messages, and does nothing. */
  isReady: boolean;
  /** The turn that it was started for and has before it is ready. */
  first: string | undefined;
  /** Messages that it has, and has not begun. */
  inbox: string[];
  /** All that it has got. */
  given: string[];
  /** The turn that it works on; `own` is one of its own. */
  working: string | undefined;
}

/** The agent of a session as random steps drive it: it does nothing by itself, and says what it does as facts. */
export interface ScriptedAgent {
  /** A turn waits for a process. */
  expect(turnId: string): void;
  /** A parked turn waits for a process that asks again for its call. */
  expectParked(parked: { turnId: string; requestId: string; toolUseId: string }): void;
  /** False when the process of this number is gone. */
  send(number: number, turnId: string): boolean;
  /** A process takes messages from now on, and is not ready. */
  open(): void;
  start(): void;
  failStart(): void;
  die(): void;
  /** Ends without a word, as its server does. @returns the messages that it got */
  vanish(): readonly string[];
  take(): void;
  /** Takes a message into the turn that it works on. */
  takeIn(): void;
  /** Gives up a message that it has not begun; false when it has none such. */
  withdraw(turnId: string): boolean;
  /** Begins a turn by itself, under this id. */
  beginOwn(turnId: string): void;
  speak(n: number): void;
  end(fails: boolean): void;
  /** Tells of a turn's end that was long ago. */
  endLate(turnId: string | undefined, fails: boolean): void;
  /** Drops these turns without a word. */
  drop(turnIds: readonly string[]): void;
  /** Asks for a permission, or calls a hook; false when it does not work. */
  ask(requestId: string, kind: 'permission' | 'hook', n: number): boolean;
  /** Changes something that the session follows. */
  change(n: number): void;
  changeTasks(n: number): void;
  isBusy(): boolean;
  /** A process takes messages that is not ready. */
  isOpening(): boolean;
  isExpected(): boolean;
  /** Whether it said that this turn has ended. */
  hasEnded(turnId: string): boolean;
}

const OWN = 'own';

export const pick = <T>(list: readonly T[], n: number): T | undefined => list[n % list.length];

export function createScriptedAgent(fact: (body: CommandBody) => void): ScriptedAgent {
  let process: Process | undefined;
  let processes = 0;
  /** Turns that wait for a process. */
  let starting: string[] = [];
  const ended = new Set<string>();
  let parked: { turnId: string; requestId: string; toolUseId: string } | undefined;

  const question = {
    kind: 'tool',
    toolName: 'Echo',
    toolInput: {},
    title: null,
    description: null,
    decisionReason: null,
    blockedPath: null,
    defaultToNo: false,
    isAlone: true,
  } as const;

  const tellEnd = (turnId: string, fails: boolean): void => {
    ended.add(turnId);
    const end: TurnEnd = {
      turnId: turnId === OWN ? null : turnId,
      ownInitiative: turnId === OWN,
      isError: fails,
      error: fails ? { code: 'api_error', message: 'no' } : null,
      stopReason: fails ? null : 'end_turn',
      numTurns: 1,
      durationMs: 1,
      usage: {},
      isBooked: false,
      spent: [],
    };
    fact({ kind: 'message', message: { type: 'result' }, end });
  };

  /** What a process does first that goes on with a parked turn. */
  const askAgain = (started: Process): void => {
    if (!parked) return;
    const { turnId, toolUseId } = parked;
    parked = undefined;
    started.working = turnId;
    const asked = { ...question, suggestions: [], agentId: null, toolUseId };
    fact({ kind: 'permission-asked', requestId: randomUUID(), timeoutSeconds: 0, question: asked });
  };

  const system = (message: Record<string, unknown>): void =>
    fact({ kind: 'message', message: { type: 'system', ...message }, end: undefined });

  const begin = (first?: string): Process => ({
    number: ++processes,
    isReady: false,
    first,
    inbox: [],
    given: [],
    working: undefined,
  });
  const failure = { code: 'agent_start_failed', message: 'no' };
  /** The start of a process fails that took messages already. */
  const failOpen = ({ first }: Process): void => {
    process = undefined;
    if (first) fact({ kind: 'turn-not-started', turnId: first, error: failure });
  };

  return {
    expect: (turnId) => void starting.push(turnId),
    expectParked(turn) {
      parked = turn;
    },
    send(number, turnId) {
      if (process?.number !== number) return false;
      process.inbox.push(turnId);
      process.given.push(turnId);
      return true;
    },
    open() {
      if (process || parked) return;
      const turnId = starting.shift();
      process = begin(turnId);
      if (turnId) fact({ kind: 'turn-ready', turnId, process: process.number });
    },
    start() {
      const turnId = starting.shift();
      process ??= begin();
      if (!process.isReady) {
        process.isReady = true;
        fact({ kind: 'process-started', process: process.number });
        askAgain(process);
      }
      if (turnId) fact({ kind: 'turn-ready', turnId, process: process.number });
    },
    failStart() {
      const turnId = starting.shift();
      const last = parked;
      // Another process may be asked for at once.
      parked = undefined;
      if (last) fact({ kind: 'parked-lost', requestId: last.requestId, error: failure });
      if (process && !process.isReady) failOpen(process);
      if (turnId) fact({ kind: 'turn-not-started', turnId, error: failure });
    },
    die() {
      if (process && !process.isReady) return failOpen(process);
      const last = process;
      process = undefined;
      const cut = { spent: [], isBooked: false };
      if (last)
        fact({
          kind: 'process-ended',
          process: last.number,
          how: 'SIGKILL',
          lastWords: '',
          cut,
          continueAs: randomUUID(),
        });
    },
    vanish() {
      const had = process?.given ?? [];
      process = undefined;
      starting = [];
      parked = undefined;
      return had;
    },
    take() {
      if (!process?.isReady || process.working !== undefined) return;
      process.working = process.inbox.shift();
      if (process.working) fact({ kind: 'turn-taken', turnId: process.working });
    },
    takeIn() {
      if (process?.working === undefined || process.working === OWN) return;
      const turnId = process.inbox.shift();
      if (turnId) fact({ kind: 'turn-taken', turnId });
    },
    withdraw(turnId) {
      if (!process?.isReady || !process.inbox.includes(turnId)) return false;
      process.inbox = process.inbox.filter((each) => each !== turnId);
      return true;
    },
    beginOwn(turnId) {
      if (!process?.isReady || process.working !== undefined) return;
      process.working = OWN;
      fact({ kind: 'own-turn-began', turnId });
    },
    speak(n) {
      const content = [{ type: 'text', text: `word ${n}` }];
      const message = { type: 'assistant', parent_tool_use_id: null, message: { id: 'm', content } };
      if (process?.isReady) fact({ kind: 'message', message, end: undefined });
    },
    end(fails) {
      if (process?.working === undefined) return;
      const turnId = process.working;
      process.working = undefined;
      tellEnd(turnId, fails);
    },
    endLate(turnId, fails) {
      const isLate = turnId !== process?.working && !process?.inbox.includes(turnId ?? '');
      if (process?.isReady && turnId && isLate && !starting.includes(turnId)) tellEnd(turnId, fails);
    },
    drop(turnIds) {
      starting = starting.filter((turnId) => !turnIds.includes(turnId));
      if (!process) return;
      process.inbox = process.inbox.filter((turnId) => !turnIds.includes(turnId));
      process.working = undefined;
    },
    ask(requestId, kind, n) {
      if (process?.working === undefined) return false;
      if (kind === 'hook') {
        const call = { kind, event: 'Stop', index: 0, input: {}, tool_use_id: null } as const;
        fact({ kind: 'call-asked', requestId, call, timeoutSeconds: 60 });
        return true;
      }
      const asked = {
        ...question,
        suggestions: [],
        isAlone: n % 5 > 0,
        toolUseId: randomUUID(),
        agentId: n % 3 === 0 ? 'task 1' : null,
      };
      const timeoutSeconds = n % 2 === 0 ? 0 : 60;
      fact({
        kind: 'permission-asked',
        requestId,
        timeoutSeconds,
        question: asked,
      });
      return true;
    },
    change(n) {
      const changes: CommandBody[] = [
        { kind: 'model-changed', model: `model ${n % 4}` },
        { kind: 'title-changed', title: `title ${n % 4}` },
        { kind: 'title-found', title: `title ${n % 4}` },
        { kind: 'folder-changed', folder: n % 2 === 0 ? null : '/work/tree' },
        { kind: 'mode-changed', mode: n % 2 === 0 ? 'plan' : 'default' },
        { kind: 'conversation-changed', conversationId: randomUUID(), trigger: 'clear' },
        { kind: 'transcript-seen', size: n, diverged: n % 2 === 0 },
        { kind: 'transcript-lost', restored: n % 3 },
      ];
      const change = pick(changes, n);
      if (process?.isReady && change) fact(change);
    },
    changeTasks(n) {
      if (!process?.isReady) return;
      if (n % 3 === 0) system({ subtype: 'task_notification', task_id: 'task 1', status: 'completed' });
      else if (n % 3 === 1) fact({ kind: 'no-report' });
      else {
        const tasks = Array.from({ length: n % 4 }, (_, index) => ({
          task_id: `task ${index}`,
          task_type: 'local_agent',
          description: 'research',
          ambient: index === 3,
        }));
        system({ subtype: 'background_tasks_changed', tasks });
      }
    },
    isBusy: () => process !== undefined,
    isOpening: () => process !== undefined && !process.isReady,
    isExpected: () => starting.length > 0 || parked !== undefined,
    hasEnded: (turnId) => ended.has(turnId),
  };
}
