import { randomUUID } from 'node:crypto';
import { type CallReason, HookAnswer, type PendingCall, ToolAnswer } from 'claude-agent-protocol';
import type { Call, CallAnswer } from '../agent/agent.ts';
import { messageOf, problem } from '../errors.ts';
import { event } from '../events/log.ts';
import { postCallback } from './callback-url.ts';
import type { Called, Decide } from './ledger.ts';
import { answered, type SessionDraft, type State, set } from './state.ts';

/** Hooks and tools of the caller's own: each call waits for an answer, by an event or at an address. */
export interface Calls {
  /** Never rejects: what goes wrong is an answer, too. */
  ask(call: Call): Promise<CallAnswer>;
  /** @throws AppError 404 when no such call waits */
  respond(kind: PendingCall['kind'], requestId: string, answer: Record<string, unknown>): Promise<void>;
  /** Settles everything that waits (and fits). */
  settleAll(draft: SessionDraft, reason: Unanswered, fits?: (call: PendingCall) => boolean): void;
}

type Unanswered = Exclude<CallReason, 'answered'>;

export interface CallsDeps {
  sessionId: string;
  state(): State;
  call<T>(decide: Decide<State, T>): Promise<Called<T>>;
  fact(decide: Decide<State>): void;
}

/** What the agent is told of a call that nobody answered. */
const WORDS: Record<Unanswered, string> = {
  timeout: 'Nobody answered in time.',
  interrupted: 'The user interrupted.',
  withdrawn: 'The call was withdrawn.',
  session_closed: 'The session was closed.',
  agent_died: 'The agent process ended.',
  server_shutdown: 'The server shuts down.',
};

/** What an answer must look like, wherever it comes from. */
const ANSWERS = { hook: HookAnswer, tool: ToolAnswer };

export function createCalls({ sessionId, state, call, fact }: CallsDeps): Calls {
  /** Who asked: told when the call is settled, and not before that is written. */
  const askers = new Map<string, { tell(answer: CallAnswer): void; timer: NodeJS.Timeout | undefined }>();

  const settle = (
    draft: SessionDraft,
    { request_id, kind, turn_id }: PendingCall,
    reason: CallReason,
    answer: CallAnswer,
  ): void => {
    set(draft, { calls: draft.state.calls.filter((each) => each.request_id !== request_id) });
    draft.write(event(sessionId, `${kind}.resolved`, { request_id, reason }, turn_id));
    draft.after(() => {
      const asker = askers.get(request_id);
      askers.delete(request_id);
      clearTimeout(asker?.timer);
      asker?.tell(answer);
    });
  };

  const giveUp = (requestId: string, reason: Unanswered): void =>
    fact((draft) => {
      const waiting = draft.state.calls.find((each) => each.request_id === requestId);
      if (waiting) settle(draft, waiting, reason, { ok: false, message: WORDS[reason] });
    });

  const askByEvent = ({ signal, timeoutSeconds, url: _, ...asked }: Call): Promise<CallAnswer> => {
    const requestId = randomUUID();
    const now = Date.now();
    const { promise, resolve } = Promise.withResolvers<CallAnswer>();
    askers.set(requestId, {
      tell: resolve,
      timer: setTimeout(giveUp, timeoutSeconds * 1000, requestId, 'timeout'),
    });
    fact((draft) => {
      const { record } = draft.state;
      const waiting: PendingCall = {
        ...asked,
        request_id: requestId,
        session_id: sessionId,
        turn_id: turnOf(draft.state),
        requested_at: new Date(now).toISOString(),
        expires_at: new Date(now + timeoutSeconds * 1000).toISOString(),
      };
      if (record.status === 'closed') {
        clearTimeout(askers.get(requestId)?.timer);
        askers.delete(requestId);
        draft.after(() => resolve({ ok: false, message: WORDS.session_closed }));
        return;
      }
      set(draft, { calls: [...draft.state.calls, waiting] });
      draft.write(
        event(sessionId, `${waiting.kind}.requested`, waiting, waiting.turn_id, waiting.requested_at),
      );
    });
    signal.addEventListener('abort', () => giveUp(requestId, 'withdrawn'), { once: true });
    if (signal.aborted) giveUp(requestId, 'withdrawn');
    return promise;
  };

  const askByUrl = async (url: string, call: Call): Promise<CallAnswer> => {
    const { signal, timeoutSeconds, url: _, ...asked } = call;
    const body = { ...asked, session_id: sessionId, turn_id: turnOf(state()) };
    try {
      const answer = await postCallback(url, body, timeoutSeconds * 1000, signal);
      return { ok: true, answer: ANSWERS[call.kind].parse(answer) };
    } catch (error) {
      return { ok: false, message: messageOf(error) };
    }
  };

  return {
    ask: (asked) => (asked.url === undefined ? askByEvent(asked) : askByUrl(asked.url, asked)),

    async respond(kind, requestId, answer) {
      const called = await call((draft) => {
        const waiting = draft.state.calls.find((each) => each.request_id === requestId && each.kind === kind);
        if (waiting) settle(draft, waiting, 'answered', { ok: true, answer });
        return waiting !== undefined;
      });
      if (called.ok && called.value) return;
      throw problem('call_not_found', { sessionId, id: requestId, kind });
    },

    settleAll(draft, reason, fits = () => true) {
      for (const waiting of draft.state.calls) {
        if (fits(waiting)) settle(draft, waiting, reason, { ok: false, message: WORDS[reason] });
      }
    },
  };
}

const turnOf = (state: State): string | null => (answered(state) ?? state.current)?.turn.id ?? null;
