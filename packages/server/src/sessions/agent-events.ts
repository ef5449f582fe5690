import { randomUUID } from 'node:crypto';
import { PermissionMode } from 'claude-agent-protocol';
import type { AgentEvents, Question } from '../agent/agent.ts';
import type { Log } from '../events/log.ts';
import { isObject } from '../is-object.ts';
import type { Broker } from '../permissions/broker.ts';
import { createCallRecords } from './call-records.ts';
import type { Calls } from './calls.ts';
import type { CommandBody } from './machine/commands.ts';
import { answered, type State } from './machine/state.ts';

/** An idle agent begins its report on ended tasks within 0.1 s; after this long none will come. */
const REPORT_WITHIN_MS = 5_000;

export interface AgentEventsDeps {
  id: string;
  log: Log;
  state(): State;
  fact(command: CommandBody, what: string): void;
  inOrder(show: (state: State) => void, how?: { keeps: boolean }): void;
  broker: Broker;
  calls: Calls;
  /** The mode that policies put in the place of one: the same, unless it leaves too much to the agent. */
  ceiling(mode: PermissionMode): PermissionMode;
  /** Sets a mode that the agent did not ask for. */
  setMode(mode: PermissionMode): void;
}

/** Turns the events of a session's agent into commands, all of them facts. */
export interface AgentListener {
  /** The callbacks for the process with this number. */
  events(process: number): Omit<AgentEvents, 'onOpen'>;
  /** Waits for the agent's report on ended tasks, if one is due. */
  awaitReport(): void;
  /** Stops waiting. */
  end(): void;
}

export function createAgentListener(deps: AgentEventsDeps): AgentListener {
  const { id, log, state, fact, inOrder, broker, calls, ceiling, setMode } = deps;
  let reportTimer: NodeJS.Timeout | undefined;
  // A call waits for a store that fails: if it were forgotten it would wait for ever.
  const records = createCallRecords((show) => inOrder(show, { keeps: true }));

  const noReport = (what: string): void => fact({ kind: 'no-report' }, what);

  /** Nobody can agree to a mode that policies forbid. */
  const below = (suggestions: Question['suggestions']): Question['suggestions'] =>
    suggestions.filter((each) => {
      const mode =
        isObject(each) && each.type === 'setMode' ? PermissionMode.safeParse(each.mode).data : undefined;
      return mode === undefined || ceiling(mode) === mode;
    });

  return {
    awaitReport() {
      clearTimeout(reportTimer);
      if (!state().dueReport) return;
      reportTimer = setTimeout(noReport, REPORT_WITHIN_MS, 'note that no report comes');
      reportTimer.unref();
    },

    end: () => clearTimeout(reportTimer),

    events: (process) => ({
      onTaken: (turnId) => fact({ kind: 'turn-taken', turnId }, 'note what the agent works on'),
      onOwnTurn() {
        clearTimeout(reportTimer);
        const turnId = randomUUID();
        fact({ kind: 'own-turn-began', turnId }, "store the beginning of the agent's own turn");
      },
      onBusy: () => clearTimeout(reportTimer),
      onIdle: () => noReport('note that the agent is idle'),
      onMessage(message, end) {
        fact({ kind: 'message', message, end }, 'store what the agent said');
        records.see(message);
      },
      onDelta: (message) => inOrder((now) => log.live(id, answered(now)?.turn.id ?? null, message)),
      onQuestion: (question) => broker.ask({ ...question, suggestions: below(question.suggestions) }),
      onCall: calls.ask,
      // One that an earlier process announced stands in the log, and is not announced again.
      onBeforeCall: async (id) => (state().parked?.toolUseId === id ? undefined : records.written(id)),
      onPermissionMode(mode) {
        fact({ kind: 'mode-changed', mode }, 'note the permission mode');
        const instead = ceiling(mode);
        if (instead !== mode) setMode(instead);
      },
      onModel: (model) => fact({ kind: 'model-changed', model }, 'note the model'),
      onTitle: (title) => fact({ kind: 'title-changed', title }, 'note the title'),
      onFolder: (folder) => fact({ kind: 'folder-changed', folder }, 'note the folder'),
      onConversation: (conversationId, trigger) =>
        fact({ kind: 'conversation-changed', conversationId, trigger }, 'note the conversation'),
      onExit({ code, signal, words, stopped, cut, taken }) {
        const how = signal ?? `code ${code}`;
        const continueAs = randomUUID();
        fact(
          { kind: 'process-ended', process, how, lastWords: words, stopped, cut, continueAs, taken },
          'settle after the agent ended',
        );
      },
    }),
  };
}
