import { ConfigError } from 'claude-agent-gateway';
import { isLoopback } from 'claude-agent-protocol';
import { z } from 'zod';
import { readSecretFile } from '../../secret-file.ts';
import { type JwtClaims, type JwtConfig, TOKEN_FIELDS } from '../jwt.ts';

/** Tokens and codes pass through such addresses, so they are encrypted; on this machine nobody is in between. */
const SafeUrl = z
  .url({ protocol: /^https?$/ })
  .refine((text) => isSafe(text), 'must be https, or http on this machine (127.0.0.1, localhost)');

const isSafe = (text: string): boolean => {
  const url = URL.parse(text);
  return url !== null && (url.protocol === 'https:' || isLoopback(url.hostname));
};

/** A token of a scope of OAuth (RFC 6749, 3.3). */
const Scope = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'must be one scope, without spaces');

/** What the configuration says of signing in to the console at an identity provider. */
export const OIDC_FIELDS = {
  oidc: z
    .strictObject({
      issuer: SafeUrl.optional(),
      client_id: z.string().min(1).optional(),
      client_secret: z.string().min(1).optional(),
      client_secret_file: z.string().min(1).optional(),
      client_auth: z.enum(['basic', 'post']).optional(),
      scopes: z.array(Scope).min(1).optional(),
      name: z.string().trim().min(1).max(60).optional(),
      public_url: SafeUrl.optional(),
      end_session: z.boolean().optional(),
      ...TOKEN_FIELDS,
    })
    .optional(),
};

type OidcSettings = NonNullable<z.output<(typeof OIDC_FIELDS)['oidc']>>;

export interface OidcConfig {
  issuer: string;
  clientId: string;
  /** Undefined for a public client, whose proof is PKCE alone. */
  clientSecret: string | undefined;
  /** How the secret is sent; undefined: as the provider says. */
  clientAuth: 'basic' | 'post' | undefined;
  scopes: readonly string[];
  /** What people call the provider. */
  name: string;
  /** Where browsers reach the server, without a slash at its end; undefined: as they name it, on this machine only. */
  publicUrl: string | undefined;
  /** Whether signing out here goes on to sign out at the provider. */
  endSession: boolean;
  algorithms: JwtConfig['algorithms'];
  claims: JwtClaims;
}

const DEFAULT_SCOPES = ['openid', 'profile', 'email'];

/**
 * @param jwt tokens that are taken as keys; what it says of claims counts here too
 * @throws ConfigError
 */
export function readOidcConfig(
  settings: OidcSettings | undefined,
  jwt: JwtConfig | undefined,
): OidcConfig | undefined {
  if (settings === undefined) return undefined;
  const { issuer, client_id: clientId, client_secret: secret, client_secret_file: file } = settings;
  if (issuer === undefined || clientId === undefined) {
    throw new ConfigError(
      'Signing in at an identity provider needs oidc.issuer and oidc.client_id, as the provider has registered this server.',
    );
  }
  if (jwt && jwt.issuer !== issuer) {
    throw new ConfigError(
      `jwt.issuer (${jwt.issuer}) and oidc.issuer (${issuer}) must be the same: users of two providers could not be told apart. Correct one of them, or remove "jwt".`,
    );
  }
  if (secret !== undefined && file !== undefined) {
    throw new ConfigError('oidc takes either "client_secret" or "client_secret_file". Remove one of them.');
  }
  const scopes = settings.scopes ?? DEFAULT_SCOPES;
  return {
    issuer,
    clientId,
    clientSecret: secret ?? (file === undefined ? undefined : readSecret(file)),
    clientAuth: settings.client_auth,
    scopes: scopes.includes('openid') ? scopes : ['openid', ...scopes],
    name: settings.name ?? new URL(issuer).host,
    publicUrl: settings.public_url?.replace(/\/+$/, ''),
    endSession: settings.end_session ?? true,
    algorithms: settings.algorithms ?? jwt?.algorithms,
    claims: {
      tenant_claim: settings.tenant_claim ?? jwt?.tenant_claim,
      role_claim: settings.role_claim ?? jwt?.role_claim,
      default_role: settings.default_role ?? jwt?.default_role,
    },
  };
}

function readSecret(path: string): string {
  const text = readSecretFile(path, '"oidc.client_secret_file"').trim();
  if (text === '') throw new ConfigError(`The file ${path} is empty. Write the client's secret into it.`);
  return text;
}
