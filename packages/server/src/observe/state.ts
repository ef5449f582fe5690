import type { PermissionKind, SessionState } from 'claude-agent-protocol';

/** What the sessions in this server's memory do at the moment. */
export interface SessionsAtWork {
  /** How many are in each state; those that are not in memory are asleep or closed, and not counted. */
  states: ReadonlyMap<SessionState, number>;
  /** Messages that wait behind others of their session. */
  queuedTurns: number;
  /** Turns that wait for an agent process. */
  waitingForAgent: number;
  /** Pending permission requests. */
  pending: readonly { kind: PermissionKind; requestedAt: string }[];
  /** Calls of hooks and tools that wait for the caller's program. */
  pendingCalls: number;
  /** Something that happened cannot be written. */
  isStuck: boolean;
}
