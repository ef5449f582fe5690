import { createHash, randomBytes } from 'node:crypto';
import { allows, type Key, type Limits, type Role } from 'claude-agent-protocol';
import { problem } from '../errors.ts';
import type { KeyRecord, KeyTable } from '../store/keys.ts';
import type { Scope } from '../store/store.ts';
import { KEY_ID, keyIdWith, policyNameIn } from './policies.ts';
import { type Caller, JWT_PREFIX, type Principal } from './principal.ts';

/** How our secrets begin: a key, and a token of one session. Scanners of repositories find them by it. */
const KEY_PREFIX = 'cak_';
const TOKEN_PREFIX = 'cat_';
const SECRET = /^ca[kt]_[\w-]{43}$/;
/** `last_used_at` is to the minute: a write for each request would cost more than the request. */
const USED_EVERY_MS = 60_000;
const TOKENS_PRUNED_EVERY = 100;
const DAY_MS = 86_400_000;

interface KeyRequest {
  name: string;
  role: Role;
  tenant?: string | undefined;
  expires_in_days?: number | undefined;
  budget_usd?: number | undefined;
  policy?: string | undefined;
  limits?: Limits | undefined;
}

interface KeyPatch {
  name?: string | undefined;
  limits?: Limits | undefined;
  expires_in_days?: number | null | undefined;
  budget_usd?: number | null | undefined;
}

/** The keys that were made here, beside those of the configuration. */
export interface Keys {
  /** The caller that a secret stands for; undefined for one that is not ours, revoked or over. */
  callerOf(secret: string): Promise<Caller | undefined>;
  /** Whether a key was ever made: from then on every caller needs one. */
  any(): Promise<boolean>;
  /** @throws AppError 403 for more than the maker may do itself */
  create(maker: Principal, request: KeyRequest): Promise<{ record: KeyRecord; secret: string }>;
  /** Those that the caller may manage. */
  list(
    caller: Principal,
    query: { tenant?: string | undefined; after?: string | undefined; limit: number },
  ): Promise<KeyRecord[]>;
  /** @throws AppError 403, 404 */
  patch(caller: Principal, id: string, patch: KeyPatch): Promise<KeyRecord>;
  /** @throws AppError 403, 404 */
  rotate(caller: Principal, id: string, keepSeconds: number): Promise<{ record: KeyRecord; secret: string }>;
  /** @throws AppError 403, 404 */
  revoke(caller: Principal, id: string): Promise<KeyRecord>;
  /** @param session whose the token is to be: it sees nothing else */
  createToken(
    maker: Principal,
    session: { id: string; tenant: string },
    request: { scope: 'read' | 'answer'; expires_in_seconds: number },
  ): Promise<{ record: KeyRecord; secret: string }>;
  /** Whether the ids of keys may be known to callers with this scope: those of their tenant, or their own. */
  namesIn(scope: Scope): Promise<(id: string) => boolean>;
  /** What a key that was made here is called. */
  nameOf(id: string): Promise<string | undefined>;
  /** Dollars that a key may spend in all, by its id; undefined without a limit. */
  budget(id: string): Promise<number | undefined>;
  /** What a key may use by its own limits. */
  limits(id: string): Promise<Limits>;
  /** Ids of the callers among these that are not good any more. */
  ended(ids: readonly string[]): Promise<string[]>;
}

export interface KeysDeps {
  table: KeyTable;
  /** Those of the configuration. */
  configured: readonly {
    id: string;
    tenant: string;
    budgetUsd?: number | undefined;
    limits?: Limits | undefined;
  }[];
  /**
   * How long what was read is good for: 0 where reading is free. On other nodes a revoked key works so much longer.
   */
  cacheMs: number;
  /** The names that keys may give as their policy; any where the configuration is not known. */
  policies?: ReadonlyMap<string, unknown>;
  /** Whether tokens of an identity provider are taken: their callers make tokens, too. */
  takesJwt?: boolean;
  onError(error: unknown, what: string): void;
  now?: () => number;
}

const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');

export function createKeys({
  table,
  configured,
  cacheMs,
  policies,
  takesJwt = false,
  onError,
  now = Date.now,
}: KeysDeps): Keys {
  const cache = new Map<string, { until: number; record: KeyRecord | undefined }>();
  const used = new Map<string, number>();
  const limits = new Map<string, { until: number; limits: Limits }>();
  let [anyUntil, hasAny, tokens] = [0, false, 0];
  const at = (ms = now()): string => new Date(ms).toISOString();

  /** Whether the key that made a token is there: one of the configuration is gone when that does not name it any more. */
  const hasParent = async ({ parent }: KeyRecord): Promise<boolean> =>
    parent === null ||
    configured.some(({ id }) => id === parent) ||
    (takesJwt && parent.startsWith(JWT_PREFIX)) ||
    (await table.get(parent)) !== undefined;

  const read = async (hash: string): Promise<KeyRecord | undefined> => {
    const known = cache.get(hash);
    if (known && known.until > now()) return known.record;
    const until = now() + cacheMs;
    const found = await table.byHash(hash, at());
    const record = found && (await hasParent(found)) ? found : undefined;
    // Also of secrets that nobody has: they cost one question each.
    if (cache.size >= 10_000) cache.clear();
    if (cacheMs > 0) cache.set(hash, { until, record });
    return record;
  };

  const noteUse = (id: string): void => {
    if (now() - (used.get(id) ?? 0) < USED_EVERY_MS) return;
    if (used.size >= 10_000) used.clear();
    used.set(id, now());
    table.used(id, at()).catch((error: unknown) => onError(error, 'note the use of a key'));
  };

  const insert = async (record: Omit<KeyRecord, 'hash'>, prefix: string) => {
    const secret = prefix + randomBytes(32).toString('base64url');
    const whole = { ...record, hash: hashOf(secret) };
    await table.insert(whole);
    return { record: whole, secret };
  };

  const makerId = (maker: Principal): string | null => (maker.kind === 'key' ? maker.id : null);

  /** The key that the caller asks to change. */
  const own = async (caller: Principal, id: string): Promise<KeyRecord> => {
    const record = await table.get(id);
    const isOwn =
      caller.kind !== 'session' && (caller.role === 'operator' || caller.tenant === record?.tenant);
    if (!record || record.sessionId !== null || !isOwn) throw problem('key_not_found', { id });
    requireWithin(caller, record.role);
    return record;
  };

  return {
    async callerOf(secret) {
      if (!SECRET.test(secret)) return undefined;
      const record = await read(hashOf(secret));
      if (!record) return undefined;
      noteUse(record.id);
      const { id, name, tenant, role, sessionId } = record;
      const expiresAt = record.expiresAt === null ? undefined : Date.parse(record.expiresAt);
      if (expiresAt !== undefined && expiresAt <= now()) return undefined;
      const session = sessionId !== null && { sessionId, parent: record.parent ?? undefined };
      return { kind: 'key', id, name, tenant, role, stored: true, ...session };
    },

    async any() {
      if (hasAny || anyUntil > now()) return hasAny;
      anyUntil = now() + cacheMs;
      hasAny = await table.any();
      return hasAny;
    },

    async create(
      maker,
      { name, role, tenant, expires_in_days: days, budget_usd: budgetUsd, limits: given, policy },
    ) {
      requireWithin(maker, role);
      const home = maker.kind === 'session' ? '' : maker.tenant;
      const whose = tenant ?? home;
      if (whose !== home) requireWithin(maker, 'operator', `access to the tenant "${whose}"`);
      if (policy !== undefined && policies && !policies.has(policy))
        throw problem('policy_unknown', { name: policy });
      const made = await insert(
        {
          id: keyIdWith(randomBytes(9).toString('hex'), policy),
          tenant: whose,
          name,
          role,
          sessionId: null,
          parent: null,
          createdAt: at(),
          createdBy: makerId(maker),
          expiresAt: days === undefined ? null : at(now() + days * DAY_MS),
          revokedAt: null,
          lastUsedAt: null,
          budgetUsd: budgetUsd ?? null,
          limits: given ?? {},
        },
        KEY_PREFIX,
      );
      hasAny = true;
      return made;
    },

    async list(caller, { tenant, after, limit }) {
      if (caller.kind === 'session') return [];
      const whose = caller.role === 'operator' ? tenant : caller.tenant;
      if (tenant !== undefined && tenant !== whose) return [];
      return table.list({ tenant: whose, after, limit });
    },

    async patch(caller, id, { name, expires_in_days: days, budget_usd: budgetUsd, limits: given }) {
      await own(caller, id);
      const expiresAt = days === undefined || days === null ? days : at(now() + days * DAY_MS);
      const changed = await table.change(id, { name, expiresAt, budgetUsd, limits: given });
      if (!changed) throw problem('key_not_found', { id });
      cache.clear();
      limits.delete(id);
      return changed;
    },

    async rotate(caller, id, keepSeconds) {
      const record = await own(caller, id);
      const secret = KEY_PREFIX + randomBytes(32).toString('base64url');
      await table.rotate(id, hashOf(secret), at(now() + keepSeconds * 1_000));
      cache.clear();
      return { record, secret };
    },

    async revoke(caller, id) {
      const record = await own(caller, id);
      const revokedAt = record.revokedAt ?? at();
      await table.revoke(id, revokedAt);
      cache.clear();
      return { ...record, revokedAt };
    },

    async createToken(maker, session, { scope, expires_in_seconds: seconds }) {
      if (tokens++ % TOKENS_PRUNED_EVERY === 0) await table.prune(at(now() - DAY_MS));
      return insert(
        {
          id: `tok_${randomBytes(9).toString('hex')}`,
          tenant: session.tenant,
          name: scope,
          role: scope === 'read' ? 'viewer' : 'approver',
          sessionId: session.id,
          parent: makerId(maker),
          createdAt: at(),
          createdBy: makerId(maker),
          expiresAt: at(now() + seconds * 1_000),
          revokedAt: null,
          lastUsedAt: null,
          budgetUsd: null,
          limits: {},
        },
        TOKEN_PREFIX,
      );
    },

    async namesIn({ tenant, ...more }) {
      if (tenant === undefined) return () => true;
      const createdBy = 'createdBy' in more ? more.createdBy : undefined;
      if (createdBy !== undefined) return (id) => id === createdBy;
      const made = await table.list({ tenant, limit: Number.MAX_SAFE_INTEGER });
      const ids = new Set(
        [...made, ...configured.filter((key) => key.tenant === tenant)].map(({ id }) => id),
      );
      return (id) => ids.has(id);
    },

    nameOf: async (id) => (await table.get(id))?.name,

    async budget(id) {
      const known = configured.find((key) => key.id === id);
      return known ? known.budgetUsd : ((await table.get(id))?.budgetUsd ?? undefined);
    },

    async limits(id) {
      const configuredKey = configured.find((key) => key.id === id);
      if (configuredKey) return configuredKey.limits ?? {};
      // Others are subjects of the identity provider, or the machine.
      if (!id.startsWith(KEY_ID)) return {};
      const known = limits.get(id);
      if (known && known.until > now()) return known.limits;
      const until = now() + cacheMs;
      const read = (await table.get(id))?.limits ?? {};
      if (limits.size >= 10_000) limits.clear();
      if (cacheMs > 0) limits.set(id, { until, limits: read });
      return read;
    },

    ended: (ids) => table.ended(ids, at()),
  };
}

/** @throws AppError 403 when a caller would give a role that does not come with its own */
function requireWithin(caller: Principal, role: Role, what = `the role "${role}"`): void {
  if (caller.kind !== 'session' && (role !== 'operator' || allows(caller.role, 'operate'))) return;
  throw problem('key_beyond_own', { what });
}

/** What a change of a key says in the audit log. A null is a change too: it takes something away. */
export const changedFields = (patch: KeyPatch): Record<string, string> =>
  Object.fromEntries(
    Object.entries(patch)
      .filter(([, value]) => value !== undefined)
      .map(([field, value]) => [
        field,
        value === null ? 'none' : typeof value === 'object' ? JSON.stringify(value) : String(value),
      ]),
  );

/** A key as the API shows it. */
export const keyView = (record: KeyRecord): Key => ({
  key_id: record.id,
  name: record.name,
  tenant: record.tenant,
  role: record.role,
  created_at: record.createdAt,
  created_by: record.createdBy,
  expires_at: record.expiresAt,
  revoked_at: record.revokedAt,
  last_used_at: record.lastUsedAt,
  budget_usd: record.budgetUsd,
  policy: policyNameIn(record.id) ?? null,
  limits: record.limits,
});
