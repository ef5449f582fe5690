import { ROLES, type Role } from 'claude-agent-protocol';
import { z } from 'zod';
import { BROWSER_FIELDS, type BrowserConfig, readBrowsers } from './browser-config.ts';
import { JWT_FIELDS, type JwtConfig, readJwtConfig } from './jwt.ts';
import { LIMIT_FIELDS, type LimitConfig, readLimits } from './limit-config.ts';
import { OIDC_FIELDS, type OidcConfig, readOidcConfig } from './oidc/oidc-config.ts';

/** What the configuration says of callers, besides keys and policies. */
export const ACCESS_FIELDS = {
  ...BROWSER_FIELDS,
  ...JWT_FIELDS,
  ...OIDC_FIELDS,
  ...LIMIT_FIELDS,
  trust_project_roles: z.array(z.enum(ROLES)).optional(),
  audit: z.strictObject({ max_age_days: z.number().min(1).optional() }).optional(),
};

export interface AccessConfig {
  browsers: BrowserConfig;
  /** The identity provider whose tokens are taken. */
  jwt: JwtConfig | undefined;
  /** The identity provider at which people sign in to the console. */
  oidc: OidcConfig | undefined;
  limits: LimitConfig;
  /** Roles that may make sessions with `trust_project`, where these are allowed. */
  trustProjectRoles: readonly Role[];
  /** Addresses and networks of proxies whose word counts on where a request comes from. */
  trustedProxies: readonly string[];
  /** Older entries of the audit log go; undefined: none. */
  auditMaxAgeDays: number | undefined;
}

type AccessFields = z.output<z.ZodObject<typeof ACCESS_FIELDS>> & {
  tenants?: Parameters<typeof readLimits>[1] | undefined;
};

export const readAccess = (settings: AccessFields): AccessConfig => ({
  browsers: readBrowsers(settings),
  ...readIssuers(settings),
  limits: readLimits(settings, settings.tenants),
  trustProjectRoles: settings.trust_project_roles ?? ROLES,
  trustedProxies: settings.trusted_proxies ?? [],
  auditMaxAgeDays: settings.audit?.max_age_days,
});

/** Both or either: tokens as keys, and signing in to the console. @throws ConfigError */
export function readIssuers(
  settings: Pick<AccessFields, 'jwt' | 'oidc'>,
): Pick<AccessConfig, 'jwt' | 'oidc'> {
  const jwt = readJwtConfig(settings.jwt);
  return { jwt, oidc: readOidcConfig(settings.oidc, jwt) };
}
