import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import { credentialOf } from 'claude-agent-gateway';
import { foreignPage, isLoopback, type ResolvedBy, type RouteSpec } from 'claude-agent-protocol';
import type { MiddlewareHandler } from 'hono';
import type { Peer, Peers } from '../agent/peers.ts';
import type { ApiKey } from '../config.ts';
import { problem } from '../errors.ts';

/**
 * Who makes a request. The one place for roles, tenants and limits to come: every handler can read it with
 * `c.get('principal')`.
 */
export type Principal =
  | { kind: 'local' }
  | { kind: 'key'; id: string }
  /** The agent process of one session; it may use the gateway, nothing else. */
  | { kind: 'session'; sessionId: string };

export interface HttpEnv {
  /** Where node:http itself hands over the request: absent for a call through /invocations. */
  Bindings: Partial<HttpBindings>;
  Variables: {
    principal: Principal;
    /** The route that answers; not set before one is found. */
    route?: RouteSpec;
  };
}

/** Tokens for agent processes: they prove which session calls. A session has one at most, that of its process. */
export interface SessionTokens {
  mint(sessionId: string): string;
  verify(token: string): string | undefined;
  /** Makes a token worthless: its process is gone. */
  revoke(token: string): void;
}

/** Tells a token of ours from API keys, also when it is worth nothing any more. */
const SESSION_TOKEN = /^session-([0-9a-f-]{36})\.(.+)$/;

export function createSessionTokens(): SessionTokens {
  const tokens = new Map<string, string>();
  const verify = (token: string): string | undefined => {
    const sessionId = SESSION_TOKEN.exec(token)?.[1] ?? '';
    const known = tokens.get(sessionId);
    return known !== undefined && sameText(token, known) ? sessionId : undefined;
  };
  return {
    mint(sessionId) {
      const token = `session-${sessionId}.${randomBytes(32).toString('base64url')}`;
      tokens.set(sessionId, token);
      return token;
    },
    verify,
    revoke(token) {
      const sessionId = verify(token);
      if (sessionId !== undefined) tokens.delete(sessionId);
    },
  };
}

/** Compares in a time that does not depend on where two texts differ, nor on their lengths. */
function sameText(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** The id of the API key behind a request; null where none was needed. */
export const keyOf = (principal: Principal): string | null =>
  principal.kind === 'key' ? principal.id : null;

/** A principal as the log names it. An agent's own token gets no further than the gateway. */
export const answerer = (principal: Principal): ResolvedBy =>
  principal.kind === 'key' ? { kind: 'key', id: principal.id } : { kind: 'local' };

/** Tells who sends a request, from its headers; undefined for nobody that is known here. */
export type Identify = (headers: {
  authorization?: string | undefined;
  'x-api-key'?: string | undefined;
}) => Principal | undefined;

export function createIdentify(apiKeys: readonly ApiKey[], tokens: SessionTokens): Identify {
  return (headers) => {
    const given = credentialOf(headers);
    const sessionId = given === undefined ? undefined : tokens.verify(given);
    if (sessionId !== undefined) return { kind: 'session', sessionId };
    // What is left of a closed session's agent has no account to spend from: it is nobody, also where no key is needed.
    if (given !== undefined && SESSION_TOKEN.test(given)) return undefined;
    if (apiKeys.length === 0) return { kind: 'local' };
    // All keys are compared, whichever fits, so that the time tells nothing.
    const [fits] = apiKeys.filter(({ key }) => sameText(given ?? '', key));
    return fits && { kind: 'key', id: fits.id };
  };
}

export interface LockOptions {
  host: string;
  identify: Identify;
  peers: Peers;
  /** Paths that are open to everybody. */
  openPaths: ReadonlySet<string>;
}

/** Lets in whom it should: first by where a request comes from, then by its key. */
export function lock({ host, identify, peers, openPaths }: LockOptions): MiddlewareHandler<HttpEnv> {
  const onLoopback = isLoopback(host);
  return async (c, next) => {
    checkOrigin(c.req.header('origin'), c.req.header('host'), onLoopback);
    const principal = identify({
      authorization: c.req.header('authorization'),
      'x-api-key': c.req.header('x-api-key'),
    });
    if (principal?.kind === 'session' && !c.req.path.startsWith('/v1/')) {
      throw problem('forbidden');
    }
    if (!principal && !openPaths.has(c.req.path)) {
      throw problem('unauthorized');
    }
    const socket = c.env?.incoming?.socket;
    // A call through /invocations has none: the request around it was asked. Reading is let through: it decides
    // nothing, an agent can read the store's file as well, and a stream should not wait for a look at /proc.
    if (principal?.kind === 'local' && socket && !READS.has(c.req.method)) checkPeer(await peers.of(socket));
    c.set('principal', principal ?? { kind: 'local' });
    await next();
  };
}

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Where no key is needed, an agent could answer its own permission requests: it is told by its connection. */
function checkPeer(peer: Peer): void {
  if (peer === 'agent') {
    throw problem('agent_not_allowed');
  }
  // Whoever does not wait for the answer cannot be told from an agent.
  if (peer === 'gone') {
    throw problem('peer_gone');
  }
}

/** Refuses web pages that are not the server's own. */
function checkOrigin(origin: string | undefined, host: string | undefined, onLoopback: boolean): void {
  const found = foreignPage({ host, origin }, onLoopback);
  if (found === 'host') throw problem('host_not_allowed', { host: host ?? '' });
  if (found === 'origin') throw problem('origin_not_allowed', { origin: origin ?? '' });
}
