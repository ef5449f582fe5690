import { type AuditActor, DEFAULT_TENANT, type ResolvedBy, type Role } from 'claude-agent-protocol';
import type { Owned, Scope } from '../store/store.ts';

/** A person or program that calls the API. */
export interface Caller {
  /** `local`: a program of this machine, on a server without keys. */
  kind: 'local' | 'key';
  /** Names it in accounts, in the log, and as the maker of sessions. */
  id: string;
  /** What people call it. */
  name?: string | undefined;
  tenant: string;
  role: Role;
  /** Its key or token is in the store: it can be revoked, and end. */
  stored?: boolean | undefined;
  /** Its token ends then (ms since 1970), and what it has open with it. */
  expiresAt?: number | undefined;
  /** A token of one session opens nothing else. */
  sessionId?: string | undefined;
  /** The key that made the token: what it uses counts there. */
  parent?: string | undefined;
}

/** How the ids of callers with a token of an identity provider begin. */
export const JWT_PREFIX = 'jwt:';
const isJwt = (id: string): boolean => id.startsWith(JWT_PREFIX);

/** Who makes a request. */
export type Principal =
  | Caller
  /** The agent process of one session; it may use the gateway only. */
  | { kind: 'session'; sessionId: string };

/** The caller where no key is needed. */
export const LOCAL: Caller = { kind: 'local', id: 'local', tenant: DEFAULT_TENANT, role: 'operator' };

/** Whose sessions the principal may see. */
export function scopeOf(principal: Principal): Scope {
  // An agent's token opens nothing that has sessions.
  if (principal.kind === 'session') return { tenant: '', createdBy: '' };
  const { role, tenant, id } = principal;
  if (role === 'operator') return {};
  return role === 'user' ? { tenant, createdBy: id } : { tenant };
}

/** Whose the agent's own conversations are, those of no session: the default tenant's, and nobody's own. */
export const OF_THE_MACHINE: Owned = { tenant: DEFAULT_TENANT, createdBy: null };

/** Who a session belongs to that the principal makes. */
export const makerOf = (principal: Principal): Owned =>
  principal.kind === 'session' || principal.kind === 'local'
    ? OF_THE_MACHINE
    : { tenant: principal.tenant, createdBy: principal.id };

/** A principal as the gateway's accounts name it. */
export function subjectOf(principal: Principal | undefined): {
  sessionId?: string;
  keyId?: string;
  tenant?: string;
} {
  if (principal?.kind === 'session') return { sessionId: principal.sessionId };
  return principal?.kind === 'key' ? { keyId: principal.id, tenant: principal.tenant } : {};
}

/** A principal as the log names it. An agent's token opens nothing but the gateway. */
export const answerer = (principal: Principal): ResolvedBy =>
  principal.kind === 'key'
    ? { kind: 'key', id: principal.id, ...(principal.name !== undefined && { name: principal.name }) }
    : { kind: 'local' };

/** A principal as the audit log names it. */
export function actorOf(
  principal: Principal | undefined,
  isPlatform: boolean,
): { kind: AuditActor; id: string | null; role: Role | null; tenant: string | null } {
  if (!principal) return { kind: 'unknown', id: null, role: null, tenant: null };
  if (principal.kind === 'session') {
    return { kind: 'agent', id: principal.sessionId, role: null, tenant: null };
  }
  const { id, role, tenant, sessionId } = principal;
  if (principal.kind === 'local') return { kind: isPlatform ? 'platform' : 'local', id, role, tenant };
  return { kind: sessionId !== undefined ? 'token' : isJwt(id) ? 'jwt' : 'key', id, role, tenant };
}
