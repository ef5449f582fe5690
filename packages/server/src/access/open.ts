import { ConfigError } from 'claude-agent-gateway';
import type { Store } from '../store/store.ts';
import { type AuditLog, createAuditLog } from './audit-log.ts';
import { type IdentifyFrom, slowFailures } from './failed-attempts.ts';
import { createIdentify, type Identify, type IdentifyDeps } from './identify.ts';
import { createReadJwt, type JwtConfig } from './jwt.ts';
import { createKeys, type Keys } from './keys.ts';
import type { LimitConfig } from './limit-config.ts';
import { createLimitKeeper, type LimitKeeper, type LimitKeeperDeps } from './limits.ts';
import type { OidcConfig } from './oidc/oidc-config.ts';
import { clientOf, createOidcSignIn, type OidcSignIn } from './oidc/oidc-sign-in.ts';
import { createProvider } from './oidc/provider.ts';
import { createOpenResponses, type OpenResponses } from './open-responses.ts';
import { createSealedCookies } from './sealed-cookies.ts';
import { createSessionTokens, type SessionTokens } from './session-tokens.ts';
import { createSignIn, type SignIn } from './sign-in.ts';
import { createStanding, type Standing } from './standing.ts';

/** So long does a node trust what it read of a key: a revoked one works half a second longer elsewhere. */
const KEY_CACHE_MS = 500;

/** Who callers are, and what they have open. */
export interface Access {
  /** Of agent processes. */
  tokens: SessionTokens;
  keys: Keys;
  openResponses: OpenResponses;
  /** For the gateway, whose callers were looked at before. */
  identify: Identify;
  identifyFrom: IdentifyFrom;
  /** Of the server's own pages. */
  signIn: SignIn;
  /** At an identity provider, where there is one. */
  oidc: OidcSignIn | undefined;
  standing: Standing;
  limits: LimitKeeper;
  audit: AuditLog;
}

interface AccessDeps extends Pick<IdentifyDeps, 'apiKeys'> {
  jwt: JwtConfig | undefined;
  oidc: OidcConfig | undefined;
  limits: LimitConfig;
  auditMaxAgeDays: number | undefined;
  store: Pick<Store, 'audit' | 'keys' | 'orderedFeed' | 'rates' | 'secret' | 'whose' | 'countOf' | 'usedOn'>;
  namedPolicies: ReadonlyMap<string, unknown>;
  isFirst(): boolean;
  onRefused: LimitKeeperDeps['onRefused'];
  onError(error: unknown, what: string): void;
}

export function createAccess(deps: AccessDeps): Access {
  const {
    store,
    apiKeys,
    jwt,
    oidc,
    limits,
    namedPolicies,
    auditMaxAgeDays: maxAgeDays,
    isFirst,
    onRefused,
    onError,
  } = deps;
  const hasIssuer = jwt !== undefined || oidc !== undefined;
  const tokens = createSessionTokens();
  const cookies = createSealedCookies(store);
  const keys = createKeys({
    table: store.keys,
    configured: apiKeys,
    policies: namedPolicies,
    takesJwt: hasIssuer,
    // Reading is free where the store is embedded.
    cacheMs: store.orderedFeed ? 0 : KEY_CACHE_MS,
    onError,
  });
  const readJwt = jwt && createReadJwt(jwt, onError);
  const identify = createIdentify({ apiKeys, tokens, keys, readJwt, hasIssuer });
  return {
    tokens,
    keys,
    openResponses: createOpenResponses(keys.ended, onError),
    signIn: createSignIn(cookies, clientOf(oidc)),
    oidc:
      oidc && createOidcSignIn({ config: oidc, cookies, provider: createProvider(oidc, onError), onError }),
    standing: createStanding({ apiKeys, hasIssuer, keys, table: store.keys }),
    limits: createLimitKeeper({ config: limits, keys, store, rates: store.rates, onRefused }),
    identify,
    identifyFrom: slowFailures(identify, { hasIssuer: jwt !== undefined }),
    audit: createAuditLog({ store: store.audit, maxAgeDays, isFirst, onError }),
  };
}

/** A server that other machines can reach needs a key; it may have been made here. @throws ConfigError */
export async function requireKey(
  { needsKey, host }: { needsKey: boolean; host: string },
  keys: Pick<Keys, 'any'>,
): Promise<void> {
  if (!needsKey || (await keys.any())) return;
  throw new ConfigError(
    `Other machines can reach ${host}, so an API key is needed. Make one with "claude-agent-server keys create", set AGENT_SERVER_API_KEY (or AGENT_SERVER_API_KEYS_FILE), or listen on 127.0.0.1.`,
  );
}
