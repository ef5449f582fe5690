import { allows, type Role } from 'claude-agent-protocol';
import type { KeyTable } from '../store/keys.ts';
import type { Scope } from '../store/store.ts';
import type { Keys } from './keys.ts';
import { LOCAL, scopeOf } from './principal.ts';

/** Who has left something that works without a request: a subscription. */
export interface Absent {
  owner: string;
  tenant: string;
  /** Of that time; counts only where nobody can be asked. */
  role: Role;
  expiresAt: string | null;
}

/** Whose requests a caller may answer now, without a request of it; undefined when it may answer none any more. */
export type Standing = (absent: Absent) => Promise<Scope | undefined>;

export interface StandingDeps {
  apiKeys: readonly { id: string; tenant: string; role: Role }[];
  table: Pick<KeyTable, 'get'>;
  keys: Pick<Keys, 'any'>;
  /** There is an identity provider whose users are taken. */
  hasIssuer: boolean;
}

export const createStanding = ({ apiKeys, table, keys, hasIssuer }: StandingDeps): Standing => {
  const roleOf = async ({ owner, tenant, role }: Absent, now: string): Promise<Role | undefined> => {
    if (owner === LOCAL.id) {
      const isClosed = hasIssuer || apiKeys.length > 0 || (await keys.any());
      return isClosed ? undefined : LOCAL.role;
    }
    // A provider is not asked again: what its user left ends by itself.
    if (owner.startsWith('jwt:')) return hasIssuer ? role : undefined;
    const configured = apiKeys.find((key) => key.id === owner && key.tenant === tenant);
    if (configured) return configured.role;
    const key = await table.get(owner);
    const isGood =
      key?.tenant === tenant && key.revokedAt === null && (key.expiresAt === null || key.expiresAt > now);
    return isGood ? key.role : undefined;
  };

  return async (absent) => {
    const now = new Date().toISOString();
    if (absent.expiresAt !== null && absent.expiresAt <= now) return undefined;
    const role = await roleOf(absent, now);
    if (role === undefined || !allows(role, 'answer')) return undefined;
    return scopeOf({ kind: 'key', id: absent.owner, tenant: absent.tenant, role });
  };
};
