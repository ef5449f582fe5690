import { ConfigError } from 'claude-agent-gateway';
import { DEFAULT_TENANT, ROLES, type Role, TenantName } from 'claude-agent-protocol';
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose';
import { z } from 'zod';
import { type Caller, JWT_PREFIX } from './principal.ts';

/** Signatures that only the issuer can make. Those with a shared secret are left out: whoever can check them can forge them. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

/** How tokens are signed, and how tenant and role stand in them. */
export const TOKEN_FIELDS = {
  algorithms: z.array(z.enum(ALGORITHMS)).min(1).optional(),
  tenant_claim: z.string().min(1).optional(),
  role_claim: z.string().min(1).optional(),
  default_role: z.enum(ROLES).optional(),
};

/** What the configuration says of tokens of an identity provider (OpenID Connect). */
export const JWT_FIELDS = {
  jwt: z
    .strictObject({
      issuer: z.string().min(1).optional(),
      audience: z.string().min(1).optional(),
      jwks_url: z.url({ protocol: /^https?$/ }).optional(),
      ...TOKEN_FIELDS,
    })
    .optional(),
};

type JwtSettings = NonNullable<z.output<(typeof JWT_FIELDS)['jwt']>>;
export interface JwtConfig extends JwtSettings {
  issuer: string;
  audience: string;
  jwks_url: string;
}

/**
 * Each setting has a variable and a flag of its own, so that they meet only here.
 * @throws ConfigError when one is missing
 */
export function readJwtConfig(settings: JwtSettings | undefined): JwtConfig | undefined {
  if (settings === undefined) return undefined;
  const { issuer, audience, jwks_url, ...others } = settings;
  if (issuer === undefined || audience === undefined || jwks_url === undefined) {
    throw new ConfigError(
      'Tokens of an identity provider need jwt.issuer, jwt.audience and jwt.jwks_url, all three. Without an audience, tokens made for other programs would be taken.',
    );
  }
  return { ...others, issuer, audience, jwks_url };
}

/** Clocks differ by so much at most. */
const TOLERANCE_SECONDS = 30;
/** An unknown key id is looked up once in this time: keys are rotated, and strangers invent ids. */
const REFRESH_MS = 10_000;
/** A revoked key of the issuer is believed no longer than this. */
const KEYS_VALID_MS = 600_000;

/** Whose a token is; undefined when it is not good, or says nothing that we know. */
export type ReadJwt = (token: string) => Promise<Caller | undefined>;

/** What a token says; undefined when it is not good. */
export type VerifyJwt = (token: string) => Promise<JWTPayload | undefined>;

/** How tenant and role stand in a token. */
export type JwtClaims = Pick<JwtSettings, 'tenant_claim' | 'role_claim' | 'default_role'>;

const FORM = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/**
 * Checks tokens of one issuer (RFC 7519, RFC 8725): signature, algorithm, issuer, audience, time. Keys come from the issuer's
 * JWKS and are fetched when a token names one that is not known.
 * @param onError told when the issuer's keys cannot be had; its callers are then unknown
 */
export function createVerifyJwt(
  {
    issuer,
    audience,
    jwks_url,
    algorithms = [...ALGORITHMS],
  }: Pick<JwtConfig, 'issuer' | 'audience' | 'jwks_url' | 'algorithms'>,
  onError: (error: unknown, what: string) => void,
): VerifyJwt {
  const keys = createRemoteJWKSet(new URL(jwks_url), {
    cooldownDuration: REFRESH_MS,
    cacheMaxAge: KEYS_VALID_MS,
    timeoutDuration: 5_000,
  });
  return async (token) => {
    if (!FORM.test(token)) return undefined;
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience,
        algorithms,
        clockTolerance: TOLERANCE_SECONDS,
        requiredClaims: ['sub', 'exp'],
      });
      return payload;
    } catch (error) {
      const isUnreachable = !(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout;
      if (isUnreachable) onError(error, `fetch the keys of ${issuer}`);
      return undefined;
    }
  };
}

/** Reads bearer tokens of one issuer. @param onError as in `createVerifyJwt` */
export function createReadJwt(config: JwtConfig, onError: (error: unknown, what: string) => void): ReadJwt {
  const verify = createVerifyJwt(config, onError);
  return async (token) => {
    const payload = await verify(token);
    return payload && callerOf(payload, config);
  };
}

/** The caller that a token names; undefined for one without a role or with a tenant that is no name. */
export function callerOf(
  payload: JWTPayload,
  { tenant_claim = 'tenant', role_claim = 'role', default_role }: JwtClaims,
): Caller | undefined {
  const tenant = TenantName.safeParse(claimIn(payload, tenant_claim) ?? DEFAULT_TENANT);
  const role = roleIn(claimIn(payload, role_claim)) ?? default_role;
  if (!tenant.success || role === undefined || payload.exp === undefined) return undefined;
  return {
    kind: 'key',
    id: JWT_PREFIX + payload.sub,
    name: nameIn(payload),
    tenant: tenant.data,
    role,
    expiresAt: (payload.exp + TOLERANCE_SECONDS) * 1000,
  };
}

/** What people call the user, after the standard claims of OpenID Connect. */
function nameIn(payload: JWTPayload): string | undefined {
  const given = [payload.name, payload.preferred_username, payload.email];
  return given
    .find((claim) => typeof claim === 'string' && claim.trim() !== '')
    ?.toString()
    .slice(0, 200);
}

/** A claim by its name, or by a path (`realm_access.roles`); names with dots, such as URLs, come first. */
function claimIn(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name];
  return name
    .split('.')
    .reduce<unknown>(
      (value, part) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, part)
          ? (value as Record<string, unknown>)[part]
          : undefined,
      payload,
    );
}

/** A role, or the highest of a list of roles, groups and the like. */
function roleIn(claim: unknown): Role | undefined {
  const given: unknown[] = Array.isArray(claim) ? claim : [claim];
  return ROLES.findLast((role) => given.includes(role));
}
