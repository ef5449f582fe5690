import { randomUUID } from 'node:crypto';
import type { ResolvedBy, RespondPermission } from 'claude-agent-protocol';
import type { Decision, Question } from '../agent/agent.ts';
import { problem } from '../errors.ts';
import type { Store } from '../store/store.ts';
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
}

export interface BrokerDeps {
  sessionId: string;
  store: Store;
  /** 0 sets no limit. */
  timeoutSeconds(): number;
  /** False when the request is not pending. @throws AppError when the store fails or the answer is refused */
  call(command: Extract<PermissionCommand, { kind: 'answer-permission' }>): Promise<boolean>;
  /** For something that has already happened: written as soon as the store works. */
  fact(command: PermissionCommand): void;
}

export function createBroker({ sessionId, store, timeoutSeconds, call, fact }: BrokerDeps): Broker {
  const requests = createOpenRequests<Decision>();

  return {
    ask({ signal, ...question }) {
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
  };
}
