import { credentialOf } from 'claude-agent-gateway';
import type { Role } from 'claude-agent-protocol';
import type { ReadJwt } from './jwt.ts';
import type { Keys } from './keys.ts';
import { LOCAL, type Principal } from './principal.ts';
import { sameText } from './same-text.ts';
import { SESSION_TOKEN, type SessionTokens } from './session-tokens.ts';

/** A key of the configuration. */
interface ConfiguredKey {
  id: string;
  key: string;
  tenant: string;
  role: Role;
  budgetUsd?: number | undefined;
}

/** Identifies the caller of a request by its headers; undefined for an unknown caller. */
export type Identify = (headers: {
  authorization?: string | undefined;
  'x-api-key'?: string | undefined;
}) => Promise<Principal | undefined>;

export interface IdentifyDeps {
  apiKeys: readonly ConfiguredKey[];
  /** Of agent processes. */
  tokens: SessionTokens;
  keys: Pick<Keys, 'callerOf' | 'any'>;
  /** Tokens of an identity provider, where they are taken. */
  readJwt?: ReadJwt | undefined;
  /** People sign in at a provider, or bring its tokens: then nobody is let in without. */
  hasIssuer?: boolean;
}

export function createIdentify({
  apiKeys,
  tokens,
  keys,
  readJwt,
  hasIssuer = readJwt !== undefined,
}: IdentifyDeps): Identify {
  return async (headers) => {
    const given = credentialOf(headers);
    const sessionId = given === undefined ? undefined : tokens.verify(given);
    if (sessionId !== undefined) return { kind: 'session', sessionId };
    // A process left over from a closed session has no account to spend from, so it is rejected even without keys.
    if (given !== undefined && SESSION_TOKEN.test(given)) return undefined;
    // All keys are compared even after a match, so that the time reveals nothing.
    const [fits] = apiKeys.filter(({ key }) => sameText(given ?? '', key));
    if (fits) return { kind: 'key', id: fits.id, tenant: fits.tenant, role: fits.role };
    const caller = given === undefined ? undefined : await keys.callerOf(given);
    if (caller) return caller;
    const issued = given === undefined ? undefined : await readJwt?.(given);
    if (issued) return issued;
    return hasIssuer || apiKeys.length > 0 || (await keys.any()) ? undefined : LOCAL;
  };
}
