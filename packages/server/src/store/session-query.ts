import type { SessionStatus } from 'claude-agent-protocol';

/** Which sessions are meant: all of them, those of a tenant, or those that one maker created in it. */
export type Scope = { tenant?: undefined } | { tenant: string; createdBy?: string | undefined };

/** Filters and page of a list of sessions. */
export interface SessionQuery {
  scope?: Scope | undefined;
  status: SessionStatus | 'all';
  limit: number;
  /** `next` of the page before. */
  cursor?: string | undefined;
  /** Exactly this folder. */
  cwd?: string | undefined;
  /** Text in the title or in a message; ASCII letters match in either case. */
  q?: string | undefined;
  /** Only these sessions. */
  only?: readonly string[] | undefined;
  /** None of these. */
  without?: readonly string[] | undefined;
  /** Members of the metadata and their values. */
  metadata?: Readonly<Record<string, string | number | boolean | null>> | undefined;
}
