import { randomUUID } from 'node:crypto';
import type { ResolvedBy, RespondPermission } from 'claude-agent-protocol';
import type { Decision, Question } from '../agent/agent.ts';
import { problem } from '../errors.ts';
import type { Store } from '../store/store.ts';
import type { PermissionCommand } from './commands.ts';
import { createOpenRequests } from './open-requests.ts';

/**
 * The questions of one session that wait for a human; any number may wait at once. What becomes of them is decided by
 * the session's machine: here the agent waits for that.
 */
export interface Broker {
  /** Asks, and waits for the answer however long it takes. Never rejects. */
  ask(question: Question): Promise<Decision>;
  /**
   * Takes an answer; the first one wins.
   * @throws AppError 404 for an unknown request, 409 for one that is settled, 422 for what cannot answer it
   */
  respond(answer: RespondPermission, by: ResolvedBy): Promise<void>;
  /** The request is settled, and that is written: tells the agent. */
  settled(requestId: string, decision: Decision): void;
}

export interface BrokerDeps {
  sessionId: string;
  store: Store;
  /** 0 sets no limit. */
  timeoutSeconds(): number;
  /** Somebody's answer. False when nothing waits for it. @throws the store's failure: nothing was kept then */
  call(command: Extract<PermissionCommand, { kind: 'answer-permission' }>): Promise<boolean>;
  /** What happened whether or not it can be written. */
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
