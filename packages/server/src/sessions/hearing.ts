import { randomUUID } from 'node:crypto';
import type { TurnError } from 'claude-agent-protocol';
import type { Agent, AgentEvents, AgentMessage, Spent, TurnEnd } from '../agent/agent.ts';
import { event, type Log } from '../events/log.ts';
import type { Broker } from '../permissions/broker.ts';
import type { SessionRecord } from '../store/store.ts';
import { bookings } from './answer.ts';
import type { Calls } from './calls.ts';
import type { Decide, Ledger } from './ledger.ts';
import {
  addAnswer,
  answered,
  beginOwn,
  type Current,
  cutTurns,
  type Effects,
  endBackground,
  endCurrent,
  endOwn,
  noteMode,
  type Own,
  type SessionDraft,
  type State,
  set,
  update,
} from './state.ts';
import { noteTasks } from './tasks.ts';
import { stateEvent } from './views.ts';

/** An agent that has news and is idle begins its report within 0.1 s; after this long it will not come any more. */
const REPORT_WITHIN_MS = 5_000;
/** After so many messages the agent looks for no title any more. */
const TITLED_WITHIN = 5;

export interface HearingDeps {
  id: string;
  log: Log;
  agent: Agent;
  ledger: Ledger<State>;
  fact(decide: Decide<State>, what: string): void;
  background(work: Promise<unknown>, what: string): void;
  broker: Broker;
  calls: Calls;
  effects: Effects;
  next(draft: SessionDraft): void;
  defaultModel: string | undefined;
  now(): string;
}

/** What a session makes of what its agent says and does: facts, all of them. */
export interface Hearing {
  events: AgentEvents;
  /** The transcript was gone, and the agent begins with what the log has of the conversation. */
  noteLost(draft: SessionDraft, restored: number): void;
  /** Waits for nothing any more. */
  end(): void;
}

export function createHearing(deps: HearingDeps): Hearing {
  const { id, log, agent, ledger, fact, background, broker, calls, effects, next, defaultModel, now } = deps;
  let reportTimer: NodeJS.Timeout | undefined;

  const onMessage = (draft: SessionDraft, message: AgentMessage, end: TurnEnd | undefined): void => {
    if (draft.state.record.status === 'closed') return;
    const turnId = answered(draft.state)?.turn.id ?? null;
    addAnswer(draft, message);
    draft.write(event(id, 'agent.message', message, turnId));
    if (!draft.state.record.hasTranscript && message.type !== 'system')
      update(draft, { hasTranscript: true });
    if (noteTasks(draft, message, now())) draft.after(awaitReport);
    if (!end) return;
    draft.write(...bookings(id, end));
    const { current, own } = draft.state;
    // An end that names another turn (a late one, or one of the agent's own) does not close this one.
    const closes =
      current?.sent &&
      (end.turnId === current.turn.id ||
        (end.turnId === null && !end.ownInitiative && (current.taken || !own)));
    endOwn(draft, effects, { end, error: end.error }, now());
    if (closes) endCurrent(draft, effects, { end, error: end.error }, now());
    next(draft);
    draft.after(() => {
      awaitReport();
      background(followTitle(), 'look for a title');
    });
  };

  /** The agent reports on tasks that ended in a turn of its own, or in the one that runs, or not at all. */
  const awaitReport = (): void => {
    clearTimeout(reportTimer);
    if (!ledger.state().news) return;
    reportTimer = setTimeout(() => fact(forgetNews, 'note that no report comes'), REPORT_WITHIN_MS);
    reportTimer.unref();
  };

  const forgetNews = (draft: SessionDraft): void => {
    if (draft.state.news && !draft.state.own && !draft.state.current?.taken) set(draft, { news: undefined });
  };

  /** Something was changed inside the agent, not through this server. */
  const follow = (
    draft: SessionDraft,
    changed: Partial<Pick<SessionRecord, 'model' | 'title' | 'worktree'>>,
  ): void => {
    const { record } = draft.state;
    const news = Object.entries(changed).some(([name, value]) => record[name as 'title'] !== value);
    if (!news || record.status === 'closed') return;
    update(draft, changed);
    draft.write(stateEvent(draft.state.record, draft.state.shown, defaultModel));
  };

  /** The agent writes the title that it finds by itself into the transcript only, in one of the first turns. */
  const followTitle = async (): Promise<void> => {
    const { record } = ledger.state();
    if (record.title !== null || record.messageCount > TITLED_WITHIN || record.status === 'closed') return;
    const title = (await agent.transcript(record.conversationId))?.title;
    if (title) {
      fact((draft) => draft.state.record.title === null && follow(draft, { title }), 'note the title');
    }
  };

  /** The agent has left its conversation for another: from now on everything that names a transcript means that one. */
  const noteConversation = (draft: SessionDraft, conversationId: string, trigger: string): void => {
    const { status, conversationId: previous } = draft.state.record;
    if (conversationId === previous || status === 'closed') return;
    draft.write({ kind: 'insert-conversation', id: conversationId, sessionId: id });
    update(draft, { conversationId, hasTranscript: true, transcriptSeen: 0 });
    draft.write(
      event(id, 'session.conversation', { conversation_id: conversationId, previous_id: previous, trigger }),
    );
  };

  /** The transcript was gone, and the agent begins with what the log has of the conversation. */
  const noteLost = (draft: SessionDraft, restored: number): void => {
    const { conversationId } = draft.state.record;
    update(draft, { hasTranscript: restored > 0, transcriptSeen: null });
    draft.write(
      event(id, 'session.conversation', {
        conversation_id: conversationId,
        previous_id: conversationId,
        trigger: 'transcript_lost',
        restored_messages: restored,
      }),
    );
  };

  const onExit = (draft: SessionDraft, words: string, how: string, cut: Spent): void => {
    set(draft, { live: false });
    update(draft, { transcriptSeen: draft.state.record.transcriptSeen });
    if (draft.state.record.status === 'closed') {
      draft.write(...bookings(id, cut));
      return;
    }
    const said = words ? ` Its last words: ${words}` : '';
    const died = (when: string): TurnError => ({
      code: 'agent_died',
      message: `The agent process ended ${when} (${how}). The conversation is kept: the next message goes on with it.${said}`,
    });
    broker.settleAll(draft, 'agent_died');
    calls.settleAll(draft, 'agent_died');
    const had = (turn: Current | Own): boolean => !('sent' in turn) || turn.sent;
    cutTurns(draft, effects, { error: died('during the turn'), cut }, now(), had);
    endBackground(draft, effects, died('while it worked in the background'), now());
    next(draft);
  };

  return {
    noteLost,
    end: () => clearTimeout(reportTimer),
    events: {
      onTaken: (turnId) =>
        fact((draft) => {
          const { current } = draft.state;
          if (current?.turn.id === turnId) set(draft, { current: { ...current, taken: true } });
        }, 'note what the agent works on'),
      onOwnTurn() {
        clearTimeout(reportTimer);
        const turnId = randomUUID();
        fact((draft) => {
          const { record, current, own } = draft.state;
          if (record.status === 'closed' || own || current?.taken) return;
          beginOwn(draft, effects, turnId, now());
        }, "store the beginning of the agent's own turn");
      },
      onBusy: () => clearTimeout(reportTimer),
      onIdle: () => fact(forgetNews, 'note that the agent is idle'),
      onMessage: (message, end) =>
        fact((draft) => onMessage(draft, message, end), 'store what the agent said'),
      onDelta: (message) =>
        ledger.inOrder((state) => log.live(id, answered(state)?.turn.id ?? null, message)),
      onQuestion: (question) => broker.ask(question),
      onCall: calls.ask,
      onPermissionMode: (mode) =>
        fact((draft) => noteMode(draft, mode, defaultModel), 'note the permission mode'),
      onModel: (model) => fact((draft) => follow(draft, { model }), 'note the model'),
      onTitle: (title) => fact((draft) => follow(draft, { title }), 'note the title'),
      onFolder: (folder) =>
        fact((draft) => {
          const { cwd } = draft.state.record;
          follow(draft, { worktree: folder === cwd ? null : folder });
        }, 'note the folder'),
      onConversation: (conversationId, trigger) =>
        fact((draft) => noteConversation(draft, conversationId, trigger), 'note the conversation'),
      onExit: ({ code, signal, words, cut }) =>
        fact((draft) => onExit(draft, words, signal ?? `code ${code}`, cut), 'settle after the agent ended'),
    },
  };
}
