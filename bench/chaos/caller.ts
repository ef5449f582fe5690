/** HTTP requests of the bench's clients: each answer is compared with the contract, and noted. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type EndpointName, Problem, problemsOf, type RouteSpec, routes } from 'claude-agent-protocol';
import { problems } from 'claude-agent-protocol/problems';
import type { Journal } from './journal.ts';

export interface Request {
  params?: Record<string, string>;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface Reply {
  status: number;
  headers: Headers;
  // What a route answers was checked against its schema.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  body: any;
}

/** A call of a route by its name. Retries while nobody answers; undefined once the bench is over. */
export type Caller = (name: EndpointName, request?: Request) => Promise<Reply | undefined>;

/** What is wrong with an answer by the contract; undefined when nothing is. */
export function undocumented(name: EndpointName, status: number, body: unknown): string | undefined {
  const spec: RouteSpec = routes[name];
  const response = spec.responses[status as 200 | 202];
  if (response) {
    const parsed = response.schema?.safeParse(body);
    return parsed && !parsed.success ? `${name} ${status}: ${parsed.error.message}` : undefined;
  }
  const parsed = Problem.safeParse(body);
  const words = `${name} ${status}: ${JSON.stringify(body)}`;
  if (!parsed.success) return words;
  const code = parsed.data.code as keyof typeof problems;
  if (!problemsOf(spec).has(code) || problems[code].status !== status || status === 500) return words;
  return undefined;
}

/** @param expected codes with which a request may be refused here; it is sent again */
export function createCaller(
  url: () => string,
  journal: Journal,
  { signal, expected }: { signal: AbortSignal; expected: ReadonlySet<string> },
): Caller {
  const once = async (name: EndpointName, { params = {}, body, headers }: Request): Promise<Reply> => {
    const { method, path } = routes[name];
    const response = await fetch(
      url() + path.replaceAll(/\{(\w+)\}/g, (_, field: string) => params[field] ?? ''),
      {
        method,
        headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal,
      },
    );
    return { status: response.status, headers: response.headers, body: await response.json() };
  };
  return async (name, request = {}) => {
    while (!signal.aborted) {
      try {
        const reply = await once(name, request);
        const label = `${name} ${reply.status}${reply.status < 400 ? '' : ` ${reply.body.code}`}`;
        journal.told.set(label, (journal.told.get(label) ?? 0) + 1);
        const wrong = undocumented(name, reply.status, reply.body);
        if (wrong !== undefined) journal.undocumented.push(wrong);
        if (!expected.has(reply.body.code)) return reply;
      } catch {
        if (!signal.aborted) journal.unanswered += 1;
      }
      await sleep(100 + Math.random() * 200);
    }
    return undefined;
  };
}
