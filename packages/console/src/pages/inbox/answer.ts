import type { RespondPermission } from 'claude-agent-protocol';

/** An answer, without the id of what it answers. */
export type Answer = Omit<RespondPermission, 'request_id'>;

/** What can be done with a request by keys; each does nothing where it does not apply. */
export interface RequestActions {
  allow(): void;
  always(): void;
  deny(): void;
  denyWithMessage(): void;
  focus(): void;
}
