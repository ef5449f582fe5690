import type { PermissionReason, ResolvedBy, RespondPermission } from 'claude-agent-protocol';
import type { Question } from '../agent/agent.ts';

/** Commands for the permission requests of a session. */
export type PermissionCommand =
  /** The agent asks; 0 seconds means no limit. */
  | {
      kind: 'permission-asked';
      requestId: string;
      question: Omit<Question, 'signal'>;
      timeoutSeconds: number;
    }
  /** An answer; the first one counts. Refused (AppError 422) when it cannot reach the model. */
  | { kind: 'answer-permission'; answer: RespondPermission; by: ResolvedBy }
  /** The request ends without an answer. */
  | { kind: 'permission-unanswered'; requestId: string; reason: Exclude<PermissionReason, 'answered'> };
