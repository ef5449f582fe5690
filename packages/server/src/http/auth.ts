import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import { credentialOf } from 'claude-agent-gateway';
import { foreignPage, isLoopback, type RouteSpec } from 'claude-agent-protocol';
import type { Context, MiddlewareHandler } from 'hono';
import { LOCAL, type Principal } from '../access/principal.ts';
import type { AccessRule } from '../access/rule.ts';
import type { Peer, Peers } from '../agent/peers.ts';
import type { ApiKey } from '../config.ts';
import { problem } from '../errors.ts';
import type { RequestTrace } from '../observe/trace/tracing.ts';

/**
 * The answer of the node that owns the session; undefined when this node is to answer.
 * @param sessionId undefined for a session that does not exist yet: it goes where there is room
 * @param reads as the route says: `live` leaves a session without an owner as it is
 * @throws AppError 421 for a request that was passed on already, 503 when no node answers in time
 */
export type Forward = (
  c: Context<HttpEnv>,
  sessionId: string | undefined,
  reads?: RouteSpec['reads'],
  /** A new session brings its folder with it: any node can make it. */
  bringsFolder?: boolean,
) => Promise<Response | undefined>;

export interface HttpEnv {
  /** The request from node:http; absent for a call through /invocations. */
  Bindings: Partial<HttpBindings>;
  Variables: {
    principal: Principal;
    /** Whether the principal may call the route; asked by `mount.ts`. */
    rule: AccessRule;
    /** Names the request in logs, in traces and in its response. */
    requestId: string;
    /** Its span, where traces are configured. */
    span?: RequestTrace;
    /** The route that answers; not set before one is found. */
    route?: RouteSpec;
    /** Its handler has begun to read the body, and has not reached the end. */
    unread?: boolean;
    /** Another node passed the request on. */
    passedOn?: boolean;
    /** Asks the node that owns a session; not set on a server of its own. */
    forward?: Forward;
  };
}

/** Tokens for agent processes, to identify the session of a call. A session has at most one, that of its process. */
export interface SessionTokens {
  mint(sessionId: string): string;
  verify(token: string): string | undefined;
  /** Revokes the token of a process that is gone. */
  revoke(token: string): void;
}

/** Distinguishes our tokens from API keys, revoked ones included. */
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

/** Compares in constant time: independent of where two texts differ and of their lengths. */
function sameText(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** Identifies the caller of a request by its headers; undefined for an unknown caller. */
export type Identify = (headers: {
  authorization?: string | undefined;
  'x-api-key'?: string | undefined;
}) => Principal | undefined;

export function createIdentify(apiKeys: readonly ApiKey[], tokens: SessionTokens): Identify {
  return (headers) => {
    const given = credentialOf(headers);
    const sessionId = given === undefined ? undefined : tokens.verify(given);
    if (sessionId !== undefined) return { kind: 'session', sessionId };
    // A process left over from a closed session has no account to spend from, so it is rejected even without keys.
    if (given !== undefined && SESSION_TOKEN.test(given)) return undefined;
    if (apiKeys.length === 0) return LOCAL;
    // All keys are compared even after a match, so that the time reveals nothing.
    const [fits] = apiKeys.filter(({ key }) => sameText(given ?? '', key));
    return fits && { kind: 'key', id: fits.id, tenant: fits.tenant, role: fits.role };
  };
}

export interface LockOptions {
  host: string;
  identify: Identify;
  peers: Peers;
  /** Paths that need no authentication. */
  openPaths: ReadonlySet<string>;
  /** Verifies the header of other nodes, where there are any: they have checked the request. */
  verifyNode?: ((header: string) => Principal | undefined) | undefined;
}

/** Authenticates requests: first by their origin, then by their key. */
export function lock({
  host,
  identify,
  peers,
  openPaths,
  verifyNode,
}: LockOptions): MiddlewareHandler<HttpEnv> {
  const onLoopback = isLoopback(host);
  return async (c, next) => {
    const node = c.req.header(NODE_HEADER);
    const behind = node === undefined ? undefined : verifyNode?.(node);
    if (behind) {
      c.set('principal', behind);
      c.set('passedOn', true);
      return next();
    }
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
    // A call through /invocations has none: the outer request was checked. Reads are allowed: they decide nothing, an
    // agent can read the store's file anyway, and a stream should not wait for a scan of /proc.
    if (principal?.kind === 'local' && socket && !READS.has(c.req.method)) checkPeer(await peers.of(socket));
    c.set('principal', principal ?? LOCAL);
    await next();
  };
}

/** The header in which a node says who sent the request that it passes on. */
export const NODE_HEADER = 'x-claude-agent-node';

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Without keys, an agent could answer its own permission requests; it is recognised by its connection. */
function checkPeer(peer: Peer): void {
  if (peer === 'agent') {
    throw problem('agent_not_allowed');
  }
  // A caller that has closed its connection cannot be told from an agent.
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
