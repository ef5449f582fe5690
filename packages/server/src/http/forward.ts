import { setTimeout as delay } from 'node:timers/promises';
import { type RouteSpec, routes } from 'claude-agent-protocol';
import type { Context } from 'hono';
import { fetch, Request as NodeRequest } from 'undici';
import type { Directory, NodeAddress } from '../cluster/directory.ts';
import { createDispatcher } from '../cluster/dispatcher.ts';
import type { Ownership } from '../cluster/ownership.ts';
import type { Placement } from '../cluster/placement.ts';
import { problem } from '../errors.ts';
import { AUDITED_HEADER, CALLER_ADDRESS_HEADER } from './audited.ts';
import { type Forward, type HttpEnv, LEAVES_HEADER, NODE_HEADER, NOT_HERE } from './auth.ts';
import type { NodeProof } from './node-proof.ts';
import { linkHeaders } from './observe.ts';

/** How long to wait before the owner is looked up again. */
const LOOK_AGAIN_MS = 100;

/** Headers that belong to one connection (RFC 9110, 7.6.1), and those that the other side makes itself. */
const OWN_HEADERS = [
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'host',
  'expect',
  'te',
];

/** What nodes of versions until November 2026 answer in its place. */
const FORMER_NOT_HERE = 421;

/** Failures to connect: nothing was sent, so the request can go elsewhere. */
const NOT_SENT: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'UND_ERR_CONNECT_TIMEOUT',
]);

export interface ForwardDeps {
  ownership: Pick<Ownership, 'acquire' | 'owns'>;
  directory: Pick<Directory, 'locate' | 'folderOf' | 'gone'>;
  placement: Placement;
  /** Whether all nodes see the same folders. */
  sharedFolders: boolean;
  proof: NodeProof;
  /** How long a request looks for a node that answers: a little longer than a take-over takes. */
  patienceMs: number;
}

export interface Forwarding {
  forward: Forward;
  close(): Promise<void>;
}

/** Passes requests on to the node that owns their session. */
export function createForwarding(deps: ForwardDeps): Forwarding {
  const { ownership, directory, placement, sharedFolders, proof, patienceMs } = deps;
  const dispatcher = createDispatcher();

  const elsewhere = async (
    c: Context<HttpEnv>,
    id: string | undefined,
    reads: RouteSpec['reads'],
    bringsFolder: boolean,
  ): Promise<NodeAddress | undefined> => {
    const passedOn = c.get('passedOn') ?? false;
    // The caller has named a folder of this node, or none.
    if (id === undefined && !bringsFolder && !sharedFolders) return undefined;
    if (id === undefined) return passedOn ? undefined : placement.elsewhere();
    if (reads === 'live') return directory.locate(id);
    if (!passedOn && !ownership.owns(id)) {
      const node = (await directory.locate(id)) ?? (await nodeFor(c, id));
      if (node) return node;
    }
    const taken = await ownership.acquire(id);
    return taken.owned ? undefined : taken.node;
  };

  /** Where a session goes that nobody owns. */
  const nodeFor = async (c: Context<HttpEnv>, id: string): Promise<NodeAddress | undefined> => {
    const folder = await directory.folderOf(id);
    const { node, missing } = placement.of(folder);
    // What is closed or erased needs no folder.
    if (missing && folder && c.get('route') !== routes.closeSession) {
      throw problem('folder_elsewhere', { id, cwd: folder.path, node: folder.node });
    }
    return node;
  };

  return {
    async forward(c, sessionId, reads, bringsFolder = false) {
      let node = await elsewhere(c, sessionId, reads, bringsFolder);
      if (!node) return undefined;
      if (c.get('passedOn')) return new Response(null, { status: NOT_HERE });
      const request = await keep(c);
      const until = Date.now() + patienceMs;
      /** The process that gives the session up. What is sent there again could meet its end, and nobody knows what became of it. */
      let leaving: string | undefined;
      while (node) {
        if (leaving === undefined || node.incarnation !== leaving) {
          const response = await pass(c, node, request);
          if (response && response.status !== NOT_HERE && response.status !== FORMER_NOT_HERE)
            return response;
          await response?.body?.cancel();
          if (response?.headers.has(LEAVES_HEADER)) leaving = node.incarnation;
        }
        if (Date.now() > until) throw problem('owner_unreachable');
        await delay(LOOK_AGAIN_MS, undefined, { signal: request.signal });
        node = await elsewhere(c, sessionId, reads, bringsFolder);
      }
      return undefined;
    },
    close: () => dispatcher.close(),
  };

  /**
   * @returns undefined when the request can be sent again, to whichever node owns the session then; NOT_HERE when that is not
   * this one
   */
  async function pass(c: Context<HttpEnv>, node: NodeAddress, request: Kept): Promise<Response | undefined> {
    const { method, body } = request;
    const headers = new Headers(request.headers);
    for (const name of OWN_HEADERS) headers.delete(name);
    headers.set(NODE_HEADER, proof.sign(c.get('principal')));
    headers.set(CALLER_ADDRESS_HEADER, c.get('address') ?? '');
    for (const [name, value] of Object.entries(linkHeaders(c))) headers.set(name, value);
    const { pathname, search } = new URL(request.url);
    const signal = AbortSignal.any([request.signal, directory.gone(node.id)]);
    try {
      const answer = await fetch(
        new NodeRequest(new URL(pathname + search, node.address), {
          method,
          headers: [...headers],
          signal,
          ...(body && { body }),
        }),
        { dispatcher },
      );
      const response = asOurs(answer);
      if (response.headers.has(AUDITED_HEADER)) c.get('audited')?.elsewhere();
      response.headers.delete(AUDITED_HEADER);
      return response;
    } catch (error) {
      if (request.signal.aborted) throw error;
      if (NOT_SENT.has(codeOf(error)) || isRepeatable(request)) return undefined;
      throw problem('owner_unreachable');
    }
  }
}

/** A request that can be sent more than once. */
interface Kept {
  method: string;
  url: string;
  headers: Headers;
  signal: AbortSignal;
  body: Uint8Array<ArrayBuffer> | undefined;
}

/** Reads the body, through the context: a route of this node can read it again. */
async function keep(c: Context<HttpEnv>): Promise<Kept> {
  const { method, url, headers, signal } = c.req.raw;
  const bytes = new Uint8Array(await c.req.arrayBuffer());
  return { method, url, headers, signal, body: bytes.length > 0 ? bytes : undefined };
}

/** It changes nothing, or its key makes the second one the same as the first. */
const isRepeatable = ({ method, headers }: Kept): boolean =>
  method === 'GET' || method === 'HEAD' || headers.has('idempotency-key');

function asOurs(answer: Awaited<ReturnType<typeof fetch>>): Response {
  const headers = new Headers([...answer.headers]);
  const streams = headers.get('content-type')?.startsWith('text/event-stream') ?? false;
  for (const name of OWN_HEADERS) headers.delete(name);
  // As in sse.ts.
  if (streams) headers.set('transfer-encoding', 'chunked');
  return new Response(answer.body as ReadableStream<Uint8Array> | null, { status: answer.status, headers });
}

function codeOf(error: unknown): unknown {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause ? cause.code : undefined;
}
