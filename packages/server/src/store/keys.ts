import type { Limits, Role } from 'claude-agent-protocol';

/** A key that opens the server, or a token of one session. */
export interface KeyRecord {
  id: string;
  tenant: string;
  name: string;
  role: Role;
  /** Of the secret, SHA-256 in hexadecimal. */
  hash: string;
  /** A token opens this session only. */
  sessionId: string | null;
  /** The key that made the token: it ends with that. */
  parent: string | null;
  createdAt: string;
  createdBy: string | null;
  expiresAt: string | null;
  revokedAt: string | null;
  lastUsedAt: string | null;
  budgetUsd: number | null;
  limits: Limits;
}

/** What of a key can be changed; what is left out stays. */
export interface KeyChange {
  name?: string | undefined;
  expiresAt?: string | null | undefined;
  budgetUsd?: number | null | undefined;
  limits?: Limits | undefined;
}

/** Keys and tokens. Beside the log: they belong to no session. Times are ISO 8601 UTC. */
export interface KeyTable {
  insert(key: KeyRecord): Promise<void>;
  get(id: string): Promise<KeyRecord | undefined>;
  /** The key of a secret; undefined when it, or the key that made it, is revoked or over at `now`. */
  byHash(hash: string, now: string): Promise<KeyRecord | undefined>;
  /** Those of these ids that are not good any more at `now`. */
  ended(ids: readonly string[], now: string): Promise<string[]>;
  /** Keys without tokens, by id; of a tenant or of all. */
  list(query: {
    tenant?: string | undefined;
    after?: string | undefined;
    limit: number;
  }): Promise<KeyRecord[]>;
  /** Whether a key was ever made: from then on the server needs one. */
  any(): Promise<boolean>;
  /** @returns the key as it is now; undefined when there is no such key */
  change(id: string, change: KeyChange): Promise<KeyRecord | undefined>;
  revoke(id: string, at: string): Promise<void>;
  /** Another secret; the old one is good until `oldUntil`. */
  rotate(id: string, hash: string, oldUntil: string): Promise<void>;
  used(id: string, at: string): Promise<void>;
  /** Removes tokens that ended before `before`. */
  prune(before: string): Promise<void>;
}
