import { randomUUID } from 'node:crypto';
import type { PermissionReason, PermissionState, ResolvedBy, RespondPermission } from 'claude-agent-protocol';
import type { Decision, Question } from '../agent/agent.ts';
import { problem } from '../errors.ts';
import { event } from '../events/log.ts';
import type { Change, PermissionRecord, Store } from '../store/store.ts';
import { readAnswer } from './answer.ts';
import { permissionView } from './view.ts';

/** How a request ends when nobody answers it. */
export type Unanswered = Exclude<PermissionReason, 'answered'>;

/** What waits, as part of the session's state, and the one way to change it (sessions/ledger.ts). */
export interface PendingDraft {
  state: { readonly pending: readonly PermissionRecord[] };
  write(...changes: Change[]): void;
  after(effect: () => void): void;
}

/** The questions of one session that wait for a human. Any number may wait at once. */
export interface Broker {
  /** Asks, and waits for the answer however long it takes. Never rejects. */
  ask(question: Question): Promise<Decision>;
  /**
   * Takes an answer; the first one wins.
   * @throws AppError 404 for an unknown request, 409 for one that is settled, 422 for what cannot answer it
   */
  respond(answer: RespondPermission, by: ResolvedBy): Promise<void>;
  /** Settles what waits (and fits), for the same reason, as part of a decision. */
  settleAll(draft: PendingDraft, reason: Unanswered, fits?: (request: PermissionRecord) => boolean): void;
}

export interface BrokerDeps {
  sessionId: string;
  store: Store;
  /** 0 waits for ever. */
  timeoutSeconds(): number;
  /** The turn that a question belongs to. */
  turnOf(draft: PendingDraft, question: Question): string | null;
  isClosed(draft: PendingDraft): boolean;
  setPending(draft: PendingDraft, pending: readonly PermissionRecord[]): void;
  /** Somebody's answer. @throws the store's failure: nothing was kept then */
  call<T>(decide: (draft: PendingDraft) => T): Promise<{ ok: true; value: T } | { ok: false }>;
  /** What happened whether or not it can be written. */
  fact(decide: (draft: PendingDraft) => void): void;
  /** A denial that also ends the turn. */
  onStop(request: PermissionRecord, message: string): void;
}

/** What the model is told when a request ends without an answer. */
const WORDS: Record<Unanswered, string> = {
  timeout:
    'Nobody answered the permission request in time, so it was denied. Go on without this, or say what you need.',
  interrupted: 'The user interrupted.',
  withdrawn: 'The request was withdrawn.',
  session_closed: 'The session was closed.',
  agent_died: 'The agent process ended.',
  server_shutdown: 'The server shuts down.',
  server_restarted: 'The server was restarted.',
};

export function createBroker(deps: BrokerDeps): Broker {
  const { sessionId, store, call, fact } = deps;
  /** Who asked: told when the request is settled, and not before that is written. */
  const askers = new Map<string, { answer(decision: Decision): void; timer: NodeJS.Timeout | undefined }>();

  /** The one way out of "pending", for answers and for everything else. */
  const settle = (
    draft: PendingDraft,
    { id, turnId }: PermissionRecord,
    state: PermissionState,
    reason: PermissionReason,
    decision: Decision,
    resolvedBy: ResolvedBy | null,
  ): void => {
    const resolvedAt = new Date().toISOString();
    const message = decision.allowed ? null : decision.message || null;
    deps.setPending(
      draft,
      draft.state.pending.filter((request) => request.id !== id),
    );
    draft.write(
      { kind: 'settle-permission', id, state, reason, resolvedAt, resolvedBy },
      event(
        sessionId,
        'permission.resolved',
        { request_id: id, state, reason, message, resolved_by: resolvedBy },
        turnId,
        resolvedAt,
      ),
    );
    draft.after(() => {
      const asker = askers.get(id);
      askers.delete(id);
      clearTimeout(asker?.timer);
      asker?.answer(decision);
    });
  };

  const giveUp = (draft: PendingDraft, request: PermissionRecord, reason: Unanswered): void => {
    const interrupt = reason !== 'timeout' && reason !== 'withdrawn';
    const decision: Decision = { allowed: false, message: WORDS[reason], interrupt };
    settle(draft, request, reason === 'timeout' ? 'denied' : 'cancelled', reason, decision, null);
  };

  const giveUpLater = (id: string, reason: Unanswered): void =>
    fact((draft) => {
      const request = draft.state.pending.find((each) => each.id === id);
      if (request) giveUp(draft, request, reason);
    });

  return {
    ask({ signal, ...asked }) {
      const id = randomUUID();
      const timeoutSeconds = deps.timeoutSeconds();
      const now = Date.now();
      const { promise, resolve } = Promise.withResolvers<Decision>();
      askers.set(id, { answer: resolve, timer: undefined });
      fact((draft) => {
        if (deps.isClosed(draft)) {
          draft.after(() => resolve({ allowed: false, message: WORDS.session_closed, interrupt: true }));
          return;
        }
        const turnId = deps.turnOf(draft, { ...asked, signal });
        const request: PermissionRecord = {
          ...asked,
          id,
          sessionId,
          turnId,
          requestedAt: new Date(now).toISOString(),
          expiresAt: timeoutSeconds > 0 ? new Date(now + timeoutSeconds * 1000).toISOString() : null,
          state: 'pending',
          reason: null,
          resolvedAt: null,
          resolvedBy: null,
        };
        deps.setPending(draft, [...draft.state.pending, request]);
        draft.write(
          { kind: 'insert-permission', permission: request },
          event(sessionId, 'permission.requested', permissionView(request), turnId, request.requestedAt),
        );
      });
      const asker = askers.get(id);
      if (asker && timeoutSeconds > 0) {
        asker.timer = setTimeout(giveUpLater, timeoutSeconds * 1000, id, 'timeout');
      }
      if (signal.aborted) giveUpLater(id, 'withdrawn');
      signal.addEventListener('abort', () => giveUpLater(id, 'withdrawn'), { once: true });
      return promise;
    },

    async respond(answer, by) {
      const called = await call((draft) => {
        const request = draft.state.pending.find((each) => each.id === answer.request_id);
        if (!request) return false;
        const decision = readAnswer(request, answer);
        settle(draft, request, answer.allowed ? 'allowed' : 'denied', 'answered', decision, by);
        if (!decision.allowed && decision.interrupt) {
          draft.after(() => deps.onStop(request, decision.message));
        }
        return true;
      });
      if (called.ok && called.value) return;
      const known = await store.getPermission(sessionId, answer.request_id);
      if (!known) {
        throw problem('permission_not_found', { sessionId, id: answer.request_id });
      }
      throw problem('permission_already_settled', { state: known.state, reason: known.reason });
    },

    settleAll(draft, reason, fits = () => true) {
      for (const request of draft.state.pending) if (fits(request)) giveUp(draft, request, reason);
    },
  };
}
