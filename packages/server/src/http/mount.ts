import { setTimeout as sleep } from 'node:timers/promises';
import { needsOwner, type RouteOutput, type RouteSpec } from 'claude-agent-protocol';
import type { FieldError } from 'claude-agent-protocol/problems';
import type { Context, Hono } from 'hono';
import type { z } from 'zod';
import { AppError, problem } from '../errors.ts';
import { type HttpEnv, LEAVES_HEADER, NOT_HERE } from './auth.ts';
import { readForm } from './form.ts';
import { fieldError } from './sentences.ts';

/** Deeper JSON than any real request has; JSON.stringify itself gives up at a few thousand levels. */
const MAX_DEPTH = 200;

/**
 * A node that is shut down has handed all sessions over when their running turns have had the grace time, of 5 s by default;
 * a request for one of them waits for its next owner.
 */
export const MOVES_WITHIN_MS = 10_000;
const LOOK_AGAIN_MS = 100;

/** A handler's input: the validated parts of its route's request. */
export type Input<R extends RouteSpec> = {
  [K in 'params' | 'query' | 'headers' | 'body' as K extends keyof R ? K : never]: R[K] extends z.ZodType
    ? z.output<R[K]>
    : never;
};

/** An answer with a status or with headers of its own. */
class Reply<S extends number, T> {
  readonly status: S;
  readonly body: T;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: S, body: T, headers: Readonly<Record<string, string>>) {
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

/** An answer with a status or with headers of its own. */
export const reply = <const S extends number, T>(
  status: S,
  body: T,
  headers: Readonly<Record<string, string>>,
): Reply<S, T> => new Reply(status, body, headers);

type Replies<R extends RouteSpec> = {
  [S in keyof R['responses'] & number]: Reply<S, RouteOutput<R, S>>;
};

/** What a handler gives: the route's 200 body, a reply with one of its statuses, or, where it says so, a response. */
type Answer<R extends RouteSpec> =
  | RouteOutput<R>
  | Replies<R>[keyof Replies<R>]
  | (R extends { raw: true } ? Response : never);

export type Handler<R extends RouteSpec> = (
  input: Input<R>,
  c: Context<HttpEnv>,
) => Promise<Answer<R>> | Answer<R>;

/** Mounts a route of the contract: validates once, at this edge, and answers with JSON. */
export function mount<R extends RouteSpec>(app: Hono<HttpEnv>, spec: R, handler: Handler<NoInfer<R>>): void {
  app.on(spec.method, spec.path.replaceAll(/\{(\w+)\}/g, ':$1'), async (c) => {
    c.set('route', spec);
    const input: Record<string, unknown> = {};
    if (spec.params) {
      const params = spec.params.safeParse(c.req.param());
      // An invalid id names nothing: 404.
      if (!params.success) {
        throw problem('not_found', { path: c.req.path });
      }
      input.params = params.data;
    }
    await enter(c, spec);
    const until = performance.now() + MOVES_WITHIN_MS;
    for (;;) {
      try {
        const elsewhere =
          needsOwner(spec) && (await c.get('forward')?.(c, c.req.param('session_id') ?? '', spec.reads));
        if (elsewhere) return elsewhere;
        return await answerHere(c, spec, input, handler);
      } catch (error) {
        if (!isMoving(c, spec, error) || performance.now() > until) throw error;
        // The node that passed it on looks again: this one may end meanwhile.
        if (c.get('passedOn'))
          return new Response(null, { status: NOT_HERE, headers: { [LEAVES_HEADER]: '1' } });
        await sleep(LOOK_AGAIN_MS, undefined, { signal: c.req.raw.signal });
      }
    }
  });
}

/** Nothing was kept of the request, because its session is about to be another node's. */
const isMoving = (c: Context<HttpEnv>, spec: RouteSpec, error: unknown): boolean =>
  error instanceof AppError && error.kept === false && needsOwner(spec) && c.get('forward') !== undefined;

async function answerHere<R extends RouteSpec>(
  c: Context<HttpEnv>,
  spec: R,
  input: Record<string, unknown>,
  handler: Handler<NoInfer<R>>,
): Promise<Response> {
  if (spec.query) input.query = checkForm(spec.query, c.req.query(), 'query');
  if (spec.headers) input.headers = check(spec.headers, c.req.header(), 'header');
  if (spec.body) {
    input.body = checkForm(spec.body, await readBody(c, spec.bodyRequired ?? true), 'body');
  }
  const answer = await handler(input as Input<R>, c);
  // HEAD gets the headers of GET; nobody will read the stream.
  if (c.req.method === 'HEAD' && answer instanceof Response) await answer.body?.cancel();
  if (answer instanceof Response) return answer;
  if (answer instanceof Reply) {
    return Response.json(answer.body, { status: answer.status, headers: { ...answer.headers } });
  }
  return Response.json(answer);
}

/** Asks whether the principal may call the route. The only place, but for the gateway's routes, which call this too. */
export async function enter(c: Context<HttpEnv>, spec: RouteSpec): Promise<void> {
  if (spec.access !== 'open') await count(c);
  await c.get('rule').admit(c.get('principal'), spec.access, c.req.param('session_id'));
  await c.get('audited')?.admitted();
}

/** Counts a request of a caller with limits, once: not when another node or a route of ours passed it on. */
async function count(c: Context<HttpEnv>): Promise<void> {
  const { outgoing } = c.env ?? {};
  if (!outgoing || c.get('passedOn')) return;
  const allowance = await c.get('limits').countRequest(c.get('principal'));
  if (!allowance) return;
  const { of, limit, left, resetSeconds } = allowance;
  // draft-ietf-httpapi-ratelimit-headers. Set on the response of node:http: streams and the gateway write theirs themselves.
  outgoing.setHeader('ratelimit-policy', `"${of}";q=${limit};w=60`);
  outgoing.setHeader('ratelimit', `"${of}";r=${left};t=${resetSeconds}`);
}

/** Parses a body or query: unknown fields are errors, and null counts as absent where a field is optional. */
function checkForm(schema: z.ZodType, given: unknown, where: string): unknown {
  const { value, unknown } = readForm(schema, given, where);
  return check(schema, value, where, unknown);
}

function check(schema: z.ZodType, value: unknown, where: string, unknown: FieldError[] = []): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success && unknown.length === 0) return parsed.data;
  const wrong = (parsed.error?.issues ?? []).map((issue) => fieldError(issue, value, where));
  throw problem('validation_failed', { errors: [...wrong, ...unknown] });
}

async function readBody(c: Context, required: boolean): Promise<unknown> {
  const text = await c.req.text();
  if (text.trim() === '') {
    if (!required) return {};
    throw problem('body_missing');
  }
  if (depth(text) > MAX_DEPTH) {
    throw problem('too_deep', { levels: MAX_DEPTH });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : 'it cannot be parsed';
    throw problem('malformed_json', { why });
  }
}

/** The nesting depth of a JSON text. */
function depth(text: string): number {
  let level = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === 0x5c) i++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x7b || code === 0x5b) deepest = Math.max(deepest, ++level);
    else if (code === 0x7d || code === 0x5d) level--;
  }
  return deepest;
}
