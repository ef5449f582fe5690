import type { JWTPayload } from 'jose';
import type { Configuration } from 'openid-client';
import { createVerifyJwt, type VerifyJwt } from '../jwt.ts';
import type { OidcConfig } from './oidc-config.ts';

/** For each request to the provider: somebody waits in front of a page. */
const TIMEOUT_SECONDS = 5;
/** Clocks differ by so much at most, as for tokens that are taken as keys. */
const TOLERANCE_SECONDS = 30;
/** What the provider says of itself is read again after so long: addresses change when somebody moves it. */
const DISCOVERY_VALID_MS = 3_600_000;

/** Why nobody is signed in; the console has a sentence for each. */
export type SignInError =
  /** The user or the provider said no. */
  | 'access_denied'
  /** It was begun in another browser or at another time, or was used before. */
  | 'login_expired'
  /** The user is known to the provider, and has no role here. */
  | 'no_role'
  /** What the provider answered is wrong. */
  | 'provider_failed'
  | 'provider_unreachable'
  /** This server does not know its own address, or has no provider. */
  | 'not_configured';

/** A login that ends without anybody signed in. */
export class SignInFailure extends Error {
  readonly reason: SignInError;
  constructor(reason: SignInError, cause?: unknown) {
    super(`nobody is signed in: ${reason}`, { cause });
    this.reason = reason;
  }
}

/** What a login keeps until the provider sends the browser back. */
export interface LoginChecks {
  state: string;
  nonce: string;
  codeVerifier: string;
  redirectUri: string;
}

export interface Issued {
  claims: JWTPayload;
  refreshToken: string | undefined;
}

/** An OpenID Connect provider. What can fail throws a `SignInFailure`. */
export interface Provider {
  /** New secrets of a login, and where the browser goes with them. */
  begin(redirectUri: string): Promise<{ checks: LoginChecks; url: string }>;
  /** What the user's ID token says. @param search the query with which the browser came back */
  finish(search: string, checks: LoginChecks): Promise<Issued>;
  refresh(refreshToken: string): Promise<Issued>;
  /** Ends a refresh token, where the provider has that. */
  revoke(refreshToken: string): Promise<void>;
  /** Where the browser goes to sign out at the provider; undefined where it has no such page. */
  endSession(returnTo: string): Promise<string | undefined>;
}

interface Discovered {
  config: Configuration;
  verify: VerifyJwt;
}

/** @param onError told what an operator has to know: users see one sentence only */
export function createProvider(
  config: OidcConfig,
  onError: (error: unknown, what: string) => void,
  timeoutSeconds = TIMEOUT_SECONDS,
): Provider {
  const { scopes } = config;
  let known: { at: number; found: Promise<Discovered> } | undefined;
  // Loaded only where it is used.
  const library = () => import('openid-client');

  const discovered = (): Promise<Discovered> => {
    if (known && Date.now() - known.at < DISCOVERY_VALID_MS) return known.found;
    const found = discover(config, onError, timeoutSeconds);
    known = { at: Date.now(), found };
    found.catch(() => {
      known = undefined;
    });
    return found;
  };

  const explain = async (error: unknown): Promise<SignInFailure> => {
    if (error instanceof SignInFailure) return error;
    const reason = await reasonOf(error);
    if (reason === 'provider_failed' || reason === 'provider_unreachable')
      onError(error, `sign in at ${config.issuer}`);
    return new SignInFailure(reason, error);
  };
  const attempt = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw await explain(error);
    }
  };

  const issued = async (
    { verify }: Discovered,
    { id_token: idToken, refresh_token: refreshToken }: { id_token?: string; refresh_token?: string },
  ): Promise<Issued> => {
    // The library trusts the connection; the signature counts here, as for tokens that are taken as keys.
    const claims = idToken === undefined ? undefined : await verify(idToken);
    if (!claims) throw new Error('the provider gave no ID token that can be verified');
    return { claims, refreshToken };
  };

  return {
    begin: (redirectUri) =>
      attempt(async () => {
        const { config: client } = await discovered();
        const { buildAuthorizationUrl, calculatePKCECodeChallenge, randomPKCECodeVerifier, ...random } =
          await library();
        const checks: LoginChecks = {
          state: random.randomState(),
          nonce: random.randomNonce(),
          codeVerifier: randomPKCECodeVerifier(),
          redirectUri,
        };
        const url = buildAuthorizationUrl(client, {
          redirect_uri: redirectUri,
          response_type: 'code',
          scope: scopes.join(' '),
          state: checks.state,
          nonce: checks.nonce,
          code_challenge: await calculatePKCECodeChallenge(checks.codeVerifier),
          code_challenge_method: 'S256',
        });
        return { checks, url: url.href };
      }),

    finish: (search, { state, nonce, codeVerifier, redirectUri }) =>
      attempt(async () => {
        const found = await discovered();
        const { authorizationCodeGrant } = await library();
        // The address is the one that the provider was given: what this request says of it does not count.
        const tokens = await authorizationCodeGrant(found.config, new URL(search, redirectUri), {
          expectedState: state,
          expectedNonce: nonce,
          pkceCodeVerifier: codeVerifier,
          idTokenExpected: true,
        });
        return issued(found, tokens);
      }),

    refresh: (refreshToken) =>
      attempt(async () => {
        const found = await discovered();
        const { refreshTokenGrant } = await library();
        const tokens = await issued(found, await refreshTokenGrant(found.config, refreshToken));
        return { ...tokens, refreshToken: tokens.refreshToken ?? refreshToken };
      }),

    revoke: (refreshToken) =>
      attempt(async () => {
        const { config: client } = await discovered();
        if (client.serverMetadata().revocation_endpoint === undefined) return;
        const { tokenRevocation } = await library();
        await tokenRevocation(client, refreshToken, { token_type_hint: 'refresh_token' });
      }),

    endSession: (returnTo) =>
      attempt(async () => {
        const { config: client } = await discovered();
        if (client.serverMetadata().end_session_endpoint === undefined) return undefined;
        const { buildEndSessionUrl } = await library();
        // Adds the client's id: the ID token, which would spare the provider's question, is not kept.
        return buildEndSessionUrl(client, { post_logout_redirect_uri: returnTo }).href;
      }),
  };
}

async function discover(
  { issuer, clientId, clientSecret, clientAuth, algorithms }: OidcConfig,
  onError: (error: unknown, what: string) => void,
  timeout: number,
): Promise<Discovered> {
  const library = await import('openid-client');
  const isInsecure = issuer.startsWith('http:');
  // How the secret is sent depends on what the provider says, so the client is made after that is read.
  const first = await library.discovery(new URL(issuer), clientId, undefined, library.None(), {
    timeout,
    ...(isInsecure && { execute: [library.allowInsecureRequests] }),
  });
  const server = first.serverMetadata();
  const { jwks_uri: jwks, token_endpoint_auth_methods_supported: methods = ['client_secret_basic'] } = server;
  if (jwks === undefined || !(isInsecure || jwks.startsWith('https:'))) {
    throw new Error('the provider names no address of its keys (jwks_uri) that begins with https:');
  }
  const isBasic = clientAuth ? clientAuth === 'basic' : methods.includes('client_secret_basic');
  const auth = isBasic ? library.ClientSecretBasic : library.ClientSecretPost;
  const config = new library.Configuration(
    server,
    clientId,
    { [library.clockTolerance]: TOLERANCE_SECONDS },
    clientSecret === undefined ? library.None() : auth(clientSecret),
  );
  config.timeout = timeout;
  if (isInsecure) library.allowInsecureRequests(config);
  const { issuer: named } = server;
  return {
    config,
    verify: createVerifyJwt({ issuer: named, audience: clientId, jwks_url: jwks, algorithms }, onError),
  };
}

async function reasonOf(error: unknown): Promise<SignInError> {
  const { AuthorizationResponseError, ResponseBodyError } = await import('openid-client');
  if (error instanceof AuthorizationResponseError)
    return error.error === 'access_denied' ? 'access_denied' : 'provider_failed';
  // The code was used before, is another's, or too old.
  if (error instanceof ResponseBodyError && error.error === 'invalid_grant') return 'login_expired';
  return isUnreachable(error) ? 'provider_unreachable' : 'provider_failed';
}

/** No connection, or no answer in time. */
const isUnreachable = (error: unknown): boolean =>
  error instanceof Error &&
  ((error instanceof TypeError && error.message === 'fetch failed') ||
    ('code' in error && error.code === 'OAUTH_TIMEOUT'));
