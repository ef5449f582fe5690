import { randomUUID } from 'node:crypto';
import type { PermissionReason, PermissionState, RespondPermission } from 'claude-agent-client';
import type { Decision, Question } from '../agent/agent.ts';
import { AppError } from '../errors.ts';
import { event, type Log } from '../events/log.ts';
import type { Change, PermissionRecord, Store } from '../store/store.ts';
import { permissionView } from './view.ts';

/** How a request ends when nobody answers it. */
type Unanswered = Exclude<PermissionReason, 'answered'>;

/** The questions of one session that wait for a human. Any number may wait at once. */
export interface Broker {
  /** Asks, and waits for the answer however long it takes. Never rejects: what goes wrong is a denial. */
  ask(turnId: string | null, question: Question): Promise<Decision>;
  /**
   * Takes an answer; the first one wins.
   * @throws AppError 404 for an unknown request, 409 for one that is settled
   */
  respond(answer: RespondPermission): Promise<void>;
  /** Settles everything that waits, for the same reason. */
  settleAll(reason: Unanswered): Promise<void>;
  /** Oldest first. */
  pending(): PermissionRecord[];
}

export interface BrokerDeps {
  sessionId: string;
  store: Store;
  log: Log;
  /** 0 waits for ever. */
  timeoutSeconds: number;
  /** Called when requests came or went: what else has to be written in the same transaction. */
  onChange(): Change[];
}

interface Waiting {
  record: PermissionRecord;
  answer(decision: Decision): void;
  timer: NodeJS.Timeout | undefined;
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

export function createBroker({ sessionId, store, log, timeoutSeconds, onChange }: BrokerDeps): Broker {
  const waiting = new Map<string, Waiting>();

  /** The one way out of "pending", for answers and for everything else. False: it was settled before. */
  const settle = async (
    entry: Waiting,
    state: PermissionState,
    reason: PermissionReason,
    decision: Decision,
  ): Promise<boolean> => {
    const { id, turnId } = entry.record;
    // Out of the map first: of two answers at once, only one gets here.
    if (!waiting.delete(id)) return false;
    clearTimeout(entry.timer);
    const resolvedAt = new Date().toISOString();
    const message = decision.allowed ? null : decision.message || null;
    try {
      const result = await log.write(sessionId, [
        { kind: 'settle-permission', id, state, reason, resolvedAt },
        event(
          sessionId,
          'permission.resolved',
          { request_id: id, state, reason, message },
          turnId,
          resolvedAt,
        ),
        ...onChange(),
      ]);
      if (!result.ok) return false;
    } catch (error) {
      // Nothing was kept, so nothing was decided: the request waits on, and the caller is told.
      waiting.set(id, entry);
      throw error;
    }
    entry.answer(decision);
    return true;
  };

  const giveUp = (entry: Waiting, reason: Unanswered): Promise<boolean> => {
    const decision: Decision = {
      allowed: false,
      message: WORDS[reason],
      interrupt: reason !== 'timeout' && reason !== 'withdrawn',
    };
    return settle(entry, reason === 'timeout' ? 'denied' : 'cancelled', reason, decision);
  };

  return {
    async ask(turnId, question) {
      const { signal, ...asked } = question;
      const now = Date.now();
      const record: PermissionRecord = {
        ...asked,
        id: randomUUID(),
        sessionId,
        turnId,
        requestedAt: new Date(now).toISOString(),
        expiresAt: timeoutSeconds > 0 ? new Date(now + timeoutSeconds * 1000).toISOString() : null,
        state: 'pending',
        reason: null,
        resolvedAt: null,
      };
      const answered = Promise.withResolvers<Decision>();
      const entry: Waiting = { record, answer: answered.resolve, timer: undefined };
      waiting.set(record.id, entry);
      try {
        await log.write(sessionId, [
          { kind: 'insert-permission', permission: record },
          event(sessionId, 'permission.requested', permissionView(record), turnId, record.requestedAt),
          ...onChange(),
        ]);
      } catch {
        waiting.delete(record.id);
        return {
          allowed: false,
          message: 'The server cannot store the permission request.',
          interrupt: true,
        };
      }
      if (!waiting.has(record.id)) return answered.promise;
      const giveUpQuietly = (reason: Unanswered): void => {
        giveUp(entry, reason).catch(() =>
          answered.resolve({ allowed: false, message: WORDS[reason], interrupt: true }),
        );
      };
      if (timeoutSeconds > 0) entry.timer = setTimeout(giveUpQuietly, timeoutSeconds * 1000, 'timeout');
      if (signal.aborted) giveUpQuietly('withdrawn');
      signal.addEventListener('abort', () => giveUpQuietly('withdrawn'), { once: true });
      return answered.promise;
    },

    async respond(answer) {
      const entry = waiting.get(answer.request_id);
      const decision = readAnswer(answer);
      if (entry && (await settle(entry, answer.allowed ? 'allowed' : 'denied', 'answered', decision))) return;
      const known = await store.getPermission(sessionId, answer.request_id);
      if (!known) {
        throw new AppError(
          'permission_not_found',
          404,
          `This session has no permission request ${answer.request_id}. GET /sessions/${sessionId}/status lists what waits.`,
        );
      }
      const how =
        known.state === 'pending'
          ? 'is being answered'
          : `was settled before: ${known.state} (${known.reason})`;
      throw new AppError(
        'permission_already_settled',
        409,
        `The permission request ${how}. The first answer counts.`,
      );
    },

    async settleAll(reason) {
      await Promise.all([...waiting.values()].map((entry) => giveUp(entry, reason)));
    },

    pending: () => [...waiting.values()].map((entry) => entry.record),
  };
}

function readAnswer(answer: RespondPermission): Decision {
  if (!answer.allowed) {
    return {
      allowed: false,
      message: answer.message ?? 'The user denied this.',
      interrupt: answer.interrupt ?? false,
    };
  }
  return {
    allowed: true,
    applySuggestions: answer.apply_suggestions ?? false,
    ...(answer.updated_input && { updatedInput: answer.updated_input }),
  };
}
