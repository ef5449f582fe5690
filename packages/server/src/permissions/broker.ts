import { randomUUID } from 'node:crypto';
import type { ResolvedBy, RespondPermission } from 'claude-agent-protocol';
import type { Decision, Question } from '../agent/agent.ts';
import { problem } from '../errors.ts';
import type { PermissionRecord, Store } from '../store/store.ts';
import type { PermissionCommand } from './commands.ts';
import { createOpenRequests } from './open-requests.ts';

/**
 * The permission requests of one session; any number may wait at once. The session's machine decides their outcome;
 * here the agent waits for it.
 */
export interface Broker {
  /** Asks, and waits for the answer without a limit of its own. Never rejects. */
  ask(question: Question): Promise<Decision>;
  /**
   * Takes an answer; the first one wins.
   * @throws AppError 404 for an unknown request, 409 for one that is settled, 422 for an answer that does not fit
   */
  respond(answer: RespondPermission, by: ResolvedBy): Promise<void>;
  /** Tells the agent, once the end of the request is stored. */
  settled(requestId: string, decision: Decision): void;
  /** The agent waits under one id for what was asked under another. */
  adopt(requestId: string, as: string): void;
  /** Goes on with a request of before a restart; nobody waits for it at the moment. */
  restore(request: PermissionRecord): void;
}

/**
 * A call that was asked for by an earlier process and is settled: it was allowed, and the process ended while it ran, or
 * it was given up.
 */
const RAN_PERHAPS: Decision = {
  allowed: false,
  message:
    'The agent ended after this call was decided. It may have run already: look at its effects before you repeat it.',
  interrupt: false,
};

export interface BrokerDeps {
  sessionId: string;
  store: Store;
  /** 0 sets no limit. */
  timeoutSeconds(): number;
  /** Whether an earlier process asked for this call, and nothing waits for it any more. */
  isSettled(toolUseId: string): Promise<boolean>;
  /** False when the request is not pending. @throws AppError when the store fails or the answer is refused */
  call(command: Extract<PermissionCommand, { kind: 'answer-permission' }>): Promise<boolean>;
  /** For something that has already happened: written as soon as the store works. */
  fact(command: PermissionCommand): void;
}

export function createBroker({
  sessionId,
  store,
  timeoutSeconds,
  isSettled,
  call,
  fact,
}: BrokerDeps): Broker {
  const requests = createOpenRequests<Decision>();

  return {
    async ask({ signal, ...question }) {
      if (question.toolUseId !== null && (await isSettled(question.toolUseId))) return RAN_PERHAPS;
      const requestId = randomUUID();
      const seconds = timeoutSeconds();
      const answer = requests.open(requestId);
      fact({ kind: 'permission-asked', requestId, question, timeoutSeconds: seconds });
      requests.limit(requestId, { timeoutSeconds: seconds, signal }, (reason) =>
        fact({ kind: 'permission-unanswered', requestId, reason }),
      );
      return answer;
    },

    async respond(answer, by) {
      if (await call({ kind: 'answer-permission', answer, by })) return;
      const known = await store.getPermission(sessionId, answer.request_id);
      if (!known) {
        throw problem('permission_not_found', { sessionId, id: answer.request_id });
      }
      throw problem('permission_already_settled', { state: known.state, reason: known.reason });
    },

    settled: requests.answer,
    adopt: requests.rename,
    restore(request) {
      void requests.open(request.id);
      if (request.expiresAt === null) return;
      const timeoutSeconds = Math.max(0.001, (Date.parse(request.expiresAt) - Date.now()) / 1000);
      requests.limit(request.id, { timeoutSeconds, signal: undefined }, (reason) =>
        fact({ kind: 'permission-unanswered', requestId: request.id, reason }),
      );
    },
  };
}
