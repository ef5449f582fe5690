import type { PermissionReason, ResolvedBy, RespondPermission } from 'claude-agent-protocol';
import type { Question } from '../agent/agent.ts';

/** What happens to the permission requests of a session. */
export type PermissionCommand =
  /** The agent asks; 0 seconds set no limit. */
  | {
      kind: 'permission-asked';
      requestId: string;
      question: Omit<Question, 'signal'>;
      timeoutSeconds: number;
    }
  /** Somebody answers; the first answer counts. Refused (AppError 422) when it cannot reach the model. */
  | { kind: 'answer-permission'; answer: RespondPermission; by: ResolvedBy }
  /** Nobody answers any more. */
  | { kind: 'permission-unanswered'; requestId: string; reason: Exclude<PermissionReason, 'answered'> };
