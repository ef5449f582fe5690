import { type AgentSession, ApiError, type Connection, isProblem } from 'claude-agent-client';
import type { SessionEvent, StreamFrame, Turn } from 'claude-agent-protocol';
import { createConversation, type View } from './model/conversation.ts';
import { readHistory } from './model/history.ts';

/** Events that are loaded when a session is opened, and each time that the reader comes to the top. */
const PAGE = 400;
/** With frames of a hidden tab nobody waits for a picture: they are taken together. */
const HIDDEN_MS = 500;

/** What the page shows of a session, and how far it has it. */
export interface Followed {
  view: View;
  phase: 'loading' | 'ready' | 'gone';
  connection: Connection['state'];
  /** Why nothing is shown, or nothing more. */
  problem: unknown;
  older: 'there' | 'loading' | 'none' | 'removed';
}

/** Where the events of a session come from. */
export interface Source {
  session: Pick<AgentSession, 'info' | 'events' | 'turn'>;
  page(after: number, limit: number): Promise<SessionEvent[]>;
  queued(): Promise<Turn[]>;
  history: Parameters<typeof readHistory>[0];
}

export interface Follower {
  subscribe(listener: () => void): () => void;
  current(): Followed;
  start(): void;
  stop(): void;
  /** Loads the page before the oldest event. */
  loadOlder(): Promise<void>;
  /** Loads back until a turn is there; false when the log does not have it. */
  loadTurn(turnId: string): Promise<boolean>;
}

/** Shows the newest page of a session's log, then what happens; older pages when they are asked for. */
export function createFollower(source: Source): Follower {
  const listeners = new Set<() => void>();
  let conversation = createConversation();
  let abort: AbortController | undefined;
  let state: Followed = {
    view: conversation.view(),
    phase: 'loading',
    connection: 'open',
    problem: undefined,
    older: 'none',
  };
  let pending: StreamFrame[] = [];
  let flushIn: (() => void) | undefined;
  let older: Promise<void> | undefined;

  const set = (changes: Partial<Followed>): void => {
    state = { ...state, view: conversation.view(), ...changes };
    for (const listener of listeners) listener();
  };

  // The frames of one picture are taken together: at 200 tokens a second the page is drawn at most 60 times.
  const flush = (): void => {
    flushIn = undefined;
    if (pending.length === 0) return;
    conversation.add(pending);
    pending = [];
    set(conversation.view().erased ? { phase: 'gone' } : {});
  };
  const schedule = (): void => {
    if (flushIn) return;
    if (document.hidden) {
      const timer = setTimeout(flush, HIDDEN_MS);
      flushIn = () => clearTimeout(timer);
    } else {
      const frame = requestAnimationFrame(flush);
      flushIn = () => cancelAnimationFrame(frame);
    }
  };
  // A tab that is hidden gets no more pictures, and one that is shown wants one at once.
  const onVisibility = (): void => {
    flushIn?.();
    flush();
  };

  const begin = async (signal: AbortSignal): Promise<void> => {
    conversation = createConversation();
    pending = [];
    const info = await source.session.info({ signal });
    const [events, queued, running] = await Promise.all([
      pageOf(source, Math.max(0, info.last_seq - PAGE), PAGE + 1),
      info.queued_turns > 0 ? source.queued() : [],
      info.current_turn_id === null ? [] : source.session.turn(info.current_turn_id).then((turn) => [turn]),
    ]);
    if (signal.aborted) return;
    conversation.know([...running, ...queued]);
    conversation.add(events);
    const hasOlder = conversation.view().first > 1;
    set({ phase: 'ready', problem: undefined, older: hasOlder ? 'there' : 'none' });
    if (!hasOlder) void loadHistory(signal);

    const { last } = conversation.view();
    const frames = source.session.events({
      after: last,
      signal,
      onConnection: ({ state: connection }) => {
        flush();
        if (connection === 'open') conversation.reconnected();
        set({ connection });
      },
    });
    for await (const frame of frames) {
      pending.push(frame);
      schedule();
    }
  };

  const run = async (signal: AbortSignal): Promise<void> => {
    try {
      await begin(signal);
      if (conversation.view().erased) set({ phase: 'gone' });
    } catch (problem) {
      if (signal.aborted) return;
      // What comes next was removed from the log while there was no connection: begin with what there is.
      if (isProblem(problem, 'events_compacted')) return run(signal);
      set({ phase: isProblem(problem, 'session_not_found') ? 'gone' : state.phase, problem });
    }
  };

  /** A conversation that was begun elsewhere has a past that no event tells. */
  const loadHistory = async (signal?: AbortSignal): Promise<void> => {
    const items = await readHistory(source.history).catch((error: unknown) => {
      if (error instanceof ApiError) return [];
      throw error;
    });
    if (signal?.aborted || items.length === 0) return;
    conversation.prepend(items);
    set({});
  };

  const readOlder = async (limit: number): Promise<void> => {
    const { first } = conversation.view();
    const mine = conversation;
    set({ older: 'loading' });
    try {
      const after = Math.max(0, first - 1 - limit);
      const events = await pageOf(source, after, first - 1 - after);
      if (mine !== conversation) return;
      conversation.add(events);
      const isWhole = conversation.view().first <= 1;
      // The oldest events are gone where the page begins later than it was asked for.
      const removed = events.length < first - 1 - after;
      set({ older: isWhole ? 'none' : removed ? 'removed' : 'there' });
      if (isWhole) await loadHistory();
    } catch (problem) {
      set({ older: 'there', problem });
    }
  };

  const loadOlder = (limit = PAGE): Promise<void> => {
    if (state.older !== 'there') return older ?? Promise.resolve();
    older = readOlder(limit).finally(() => {
      older = undefined;
    });
    return older;
  };

  return {
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    current: () => state,
    start() {
      abort?.abort();
      abort = new AbortController();
      document.addEventListener('visibilitychange', onVisibility);
      void run(abort.signal);
    },
    stop() {
      abort?.abort();
      flushIn?.();
      flushIn = undefined;
      document.removeEventListener('visibilitychange', onVisibility);
    },
    loadOlder,
    async loadTurn(turnId) {
      const isThere = (): boolean => conversation.view().items.some((item) => item.turnId === turnId);
      // A link to a turn of long ago: large pages, because nobody looks at those between.
      for (let page = PAGE; !isThere() && state.older === 'there'; page = Math.min(page * 2, 5_000))
        await loadOlder(page);
      return isThere();
    },
  };
}

/** A page of the log, or what is left of it when its beginning was removed. */
async function pageOf(source: Source, after: number, limit: number): Promise<SessionEvent[]> {
  try {
    return await source.page(after, limit);
  } catch (error) {
    if (!isProblem(error, 'events_compacted')) throw error;
    const first = error.params.first_seq ?? 1;
    const missing = first - 1 - after;
    return missing >= limit ? [] : await source.page(first - 1, limit - missing);
  }
}
