import type { ProblemCode } from 'claude-agent-protocol/problems';

/** What the audit log says about a request; there for requests that change something. */
export interface Audited {
  /**
   * Adds to what the request is about: ids and decisions, no content and no secrets. A `session_id` and a `tenant` are those of the
   * entry.
   */
  note(more: Readonly<Record<string, string | number | boolean | undefined>>): void;
  /** The request has failed, though its answer is a page for people: this is what its entry says. */
  refused(problem: ProblemCode): void;
  /** The request has taken effect, though its answer may take long: its entry is written now. */
  accepted(): void;
  /** Its entry is that of other requests, which it makes, or was written by the node that answered. */
  elsewhere(): void;
  /** Its caller may do this. */
  admitted(): Promise<void>;
}

/** The node that answers says so to the one that passed the request on: it has written the entry. */
export const AUDITED_HEADER = 'x-claude-agent-audited';
/** Where the caller is, told by the node that passed the request on; of others it is not believed. */
export const CALLER_ADDRESS_HEADER = 'x-claude-agent-caller-address';
