import type { HttpBindings } from '@hono/node-server';
import { foreignPage, isLoopback, type RouteSpec } from 'claude-agent-protocol';
import type { ProblemCode } from 'claude-agent-protocol/problems';
import type { Context, MiddlewareHandler } from 'hono';
import type { BrowserConfig } from '../access/browser-config.ts';
import type { IdentifyFrom } from '../access/failed-attempts.ts';
import type { LimitKeeper } from '../access/limits.ts';
import type { OpenResponses } from '../access/open-responses.ts';
import { type Caller, LOCAL, type Principal } from '../access/principal.ts';
import type { AccessRule } from '../access/rule.ts';
import { callerIn, type SignedIn, type SignIn } from '../access/sign-in.ts';
import type { Peer, Peers } from '../agent/peers.ts';
import { problem } from '../errors.ts';
import type { RequestTrace } from '../observe/trace/tracing.ts';
import type { Audited } from './audited.ts';
import type { AddressOf } from './client-address.ts';

/**
 * The answer of the node that owns the session; undefined when this node is to answer.
 * @param sessionId undefined for a session that does not exist yet: it goes where there is room
 * @param reads as the route says: `live` leaves a session without an owner as it is
 * @throws AppError 503 when no node answers in time
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
  Bindings: Partial<HttpBindings> & {
    /** Part of a request that the platform has authenticated. */
    platform?: boolean;
    /** Where that one came from. */
    address?: string | null;
  };
  Variables: {
    principal: Principal;
    /** Nobody knows the caller: the principal of a route that everybody may call says nothing. */
    anonymous?: boolean;
    /** Whether the principal may call the route; asked by `mount.ts`. */
    rule: AccessRule;
    /** Counts the requests of each caller; asked there too. */
    limits: Pick<LimitKeeper, 'countRequest'>;
    /** Names the request in logs, in traces and in its response. */
    requestId: string;
    /** Its span, where traces are configured. */
    span?: RequestTrace;
    /** The route that answers; not set before one is found. */
    route?: RouteSpec;
    /** Where it came from; null when nobody knows. */
    address: string | null;
    /** What the audit log says about it, if it is to change something. */
    audited?: Audited;
    /** What it failed with. */
    problem?: ProblemCode;
    /** Its handler has begun to read the body, and has not reached the end. */
    unread?: boolean;
    /** Another node passed the request on. */
    passedOn?: boolean;
    /** Asks the node that owns a session; not set on a server of its own. */
    forward?: Forward;
  };
}

export interface LockOptions {
  host: string;
  browsers: BrowserConfig;
  identify: IdentifyFrom;
  addressOf: AddressOf;
  peers: Peers;
  openResponses: OpenResponses;
  /** Whether a path needs no authentication. */
  isOpen(path: string): boolean;
  signIn: Pick<SignIn, 'open'>;
  /** Paths whose callers the platform has authenticated. */
  platformPaths: ReadonlySet<string>;
  /** Verifies the header of other nodes, where there are any: they have checked the request. */
  verifyNode?: ((header: string) => Principal | undefined) | undefined;
}

/** Authenticates requests: first by their origin, then by their key. */
export function lock({
  host,
  browsers,
  identify,
  addressOf,
  peers,
  openResponses,
  isOpen,
  signIn,
  platformPaths,
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
    const path = c.req.path;
    const given = c.req.header('authorization') ?? tokenInUrl(c);
    const page = given === undefined ? await signedIn(c, signIn) : {};
    const credentials = {
      authorization: given ?? page.authorization,
      'x-api-key': c.req.header('x-api-key'),
    };
    // What everybody may call tells nothing of a key.
    const known = page.caller ?? (await identify(credentials, isOpen(path) ? undefined : addressOf(c)));
    const isPlatform = c.env?.platform || platformPaths.has(c.req.path.replace(/\/$/, ''));
    const principal = known ?? (isPlatform ? LOCAL : undefined);
    // Also for the record of what is refused below.
    if (principal) c.set('principal', principal);
    // After DNS rebinding a page has no key: only where none is needed does the name in Host matter.
    checkOrigin(
      { host: c.req.header('host'), origin: c.req.header('origin') },
      browsers,
      onLoopback && principal?.kind === 'local',
    );
    if (principal?.kind === 'session' && !c.req.path.startsWith('/v1/')) {
      throw problem('forbidden');
    }
    if (!principal && !isOpen(path)) {
      throw problem('unauthorized');
    }
    const socket = c.env?.incoming?.socket;
    // A call through /invocations has none: the outer request was checked. Reads are allowed: they decide nothing, an
    // agent can read the store's file anyway, and a stream should not wait for a scan of /proc.
    if (principal?.kind === 'local' && socket && !READS.has(c.req.method)) checkPeer(await peers.of(socket));
    const response = c.env?.outgoing;
    if (principal?.kind === 'key' && response) openResponses.add(principal, response);
    c.set('principal', principal ?? LOCAL);
    c.set('anonymous', !principal);
    await next();
  };
}

/**
 * The token in the URL of an event stream, as a header: a browser's EventSource can send none. Tokens of one session only:
 * URLs are written to logs of proxies and histories of browsers.
 */
function tokenInUrl(c: Context<HttpEnv>): string | undefined {
  const token =
    c.req.method === 'GET' && c.req.path.endsWith('/events') ? c.req.query('access_token') : undefined;
  return token?.startsWith('cat_') ? `Bearer ${token}` : undefined;
}

/**
 * Who the server's own page is that sends the request. A browser sends the cookie along from other ports of this host too:
 * theirs are nobody's.
 */
export async function cookieOf(
  c: Context<HttpEnv>,
  signIn: Pick<SignIn, 'open'>,
): Promise<SignedIn | undefined> {
  const { cookie, host, origin, ...headers } = c.req.header();
  const isOwn = ['same-origin', 'none', undefined].includes(headers['sec-fetch-site']);
  return isOwn && !foreignPage({ host, origin }, false) ? signIn.open(cookie) : undefined;
}

/**
 * The credential of a page that is signed in, as a header, or the caller that it is. Not for model calls: the gateway reads the
 * headers by itself.
 */
async function signedIn(
  c: Context<HttpEnv>,
  signIn: Pick<SignIn, 'open'>,
): Promise<{ authorization?: string; caller?: Caller | undefined }> {
  if (c.req.header('x-api-key') !== undefined) return {};
  if (c.req.path.startsWith('/v1/') && !READS.has(c.req.method)) return {};
  const found = await cookieOf(c, signIn);
  if (found === undefined) return {};
  return 'credential' in found
    ? { authorization: `Bearer ${found.credential}` }
    : { caller: callerIn(found.user) };
}

/**
 * What a node answers another one whose request it does not pass on again: the session is elsewhere, and the other looks it up
 * again. No caller gets it. Not 421 (Misdirected Request): a fetch sends that request once more by itself, as the Fetch standard says.
 */
export const NOT_HERE = 470;

/** With that: the node still owns the session, and is giving it up. What is sent to it again could meet its end. */
export const LEAVES_HEADER = 'x-claude-agent-leaves';

/** The header in which a node says who sent the request that it passes on. */
export const NODE_HEADER = 'x-claude-agent-node';

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Without keys, an agent could answer its own permission requests; it is recognised by its connection. */
export function checkPeer(peer: Peer): void {
  if (peer === 'agent') {
    throw problem('agent_not_allowed');
  }
  // A caller that has closed its connection cannot be told from an agent.
  if (peer === 'gone') {
    throw problem('peer_gone');
  }
}

/** Refuses web pages that are neither the server's own nor allowed. */
export function checkOrigin(
  { host = '', origin }: { host?: string | undefined; origin?: string | undefined },
  { origins, hosts }: BrowserConfig,
  onLoopback: boolean,
): void {
  const name = host.replace(/:\d+$/, '');
  const isNamed = hosts.includes(name.toLowerCase());
  if (hosts.length > 0 && !isNamed && !isLoopback(name)) throw problem('host_not_allowed', { host });
  const found = foreignPage({ host, origin }, onLoopback && !isNamed);
  if (found === 'host') throw problem('host_not_allowed', { host });
  if (found === 'origin' && !origins.includes(origin ?? '')) {
    throw problem('origin_not_allowed', { origin: origin ?? '' });
  }
}
