import type { AuditActor, Role } from 'claude-agent-protocol';

/** A request that changed something, or was to. */
export interface AuditRecord {
  /** Sorts by the time of the request. */
  id: string;
  at: string;
  /** The session's, or the caller's; null for a caller that nobody knows. */
  tenant: string | null;
  actorKind: AuditActor;
  /** Id of the key or token. */
  actor: string | null;
  role: Role | null;
  actorTenant: string | null;
  address: string | null;
  userAgent: string | null;
  requestId: string | null;
  /** The name of its route. */
  action: string;
  method: string;
  sessionId: string | null;
  params: Readonly<Record<string, string>>;
  /** Of the answer. */
  status: number;
  /** Code of the problem, when it failed. */
  problem: string | null;
  /** How many requests this stands for. */
  count: number;
}

/** Which records are wanted. */
export interface AuditFilters {
  tenant?: string | undefined;
  actor?: string | undefined;
  sessionId?: string | undefined;
  action?: string | undefined;
  /** Ids from this one on, and those before this one. */
  from?: string | undefined;
  to?: string | undefined;
}

/** The audit log: nothing in it is changed, and nothing goes but what is old. Beside the log of events. */
export interface AuditStore {
  /** Durable when its promise settles; all or nothing. Records that are there already are left as they are. */
  append(records: readonly AuditRecord[]): Promise<void>;
  /** In the order of ids. `after`: the last one of the page before. */
  list(
    query: AuditFilters & { newestFirst: boolean; after?: string | undefined; limit: number },
  ): Promise<AuditRecord[]>;
  /** Removes the oldest ones with an id below `before`, at most so many. @returns how many there were */
  prune(before: string, limit: number): Promise<number>;
}
