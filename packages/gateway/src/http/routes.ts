import { randomUUID } from 'node:crypto';
import { errorBody } from 'claude-agent-protocol/anthropic-errors';
import { refuse } from '../messages/errors.ts';
import type { CatalogueListing } from '../models/listing.ts';
import { listed, pageOf } from '../models/listing.ts';
import type { Resolution } from '../models/resolve.ts';
import type { Answer, Incoming } from '../pipeline/answer.ts';
import { failureOf } from '../pipeline/failures.ts';
import type { GatewayHooks, Subject } from '../pipeline/hooks.ts';
import { isAborted } from '../transport/transport.ts';

interface RoutesOptions {
  admit(incoming: Incoming): Promise<Subject>;
  messages(incoming: Incoming, requestId: string): Promise<Answer>;
  countTokens(incoming: Incoming, requestId: string): Promise<Answer>;
  models(): CatalogueListing[];
  resolve(name: string): Resolution;
  log: GatewayHooks['log'];
}

/** Routes a request and returns its answer, also for a failure. */
export function createRoutes(options: RoutesOptions): (incoming: Incoming) => Promise<Answer> {
  async function dispatch(incoming: Incoming, requestId: string): Promise<Answer> {
    const path = incoming.path.length > 1 ? incoming.path.replace(/\/$/, '') : incoming.path;
    // node:http itself omits the body of an answer to HEAD.
    const method = incoming.method === 'HEAD' ? 'GET' : incoming.method;
    if (path === '/v1/messages' && method === 'POST') return options.messages(incoming, requestId);
    if (path === '/v1/messages/count_tokens' && method === 'POST')
      return options.countTokens(incoming, requestId);
    if (path === '/' && method === 'GET') {
      return { status: 200, headers: { 'content-type': 'text/plain' }, body: 'ok\n' };
    }
    if (path === '/v1/models' && method === 'GET') {
      await options.admit(incoming);
      return json(pageOf(options.models(), new URLSearchParams(incoming.query)));
    }
    if (path.startsWith('/v1/models/') && method === 'GET') {
      await options.admit(incoming);
      const id = decoded(path.slice('/v1/models/'.length));
      const found = options.models().find((model) => model.id === id);
      // Names that are not listed may be served too: bare ones, and those that match a pattern.
      if (!found) options.resolve(id);
      return json(found ?? listed(id, ''));
    }
    return refuse(404, `There is no endpoint ${method} ${path}.`);
  }

  return async (incoming) => {
    const requestId = randomUUID().replaceAll('-', '');
    let answer: Answer;
    try {
      answer = await dispatch(incoming, requestId);
    } catch (error) {
      answer = toErrorAnswer(error, requestId, options.log);
    }
    answer.headers['request-id'] ??= `req_${requestId}`;
    return answer;
  };
}

/** The answer to a request that failed. */
export function toErrorAnswer(error: unknown, requestId: string, log: GatewayHooks['log']): Answer {
  const told = failureOf(error, requestId, isAborted(error) ? undefined : log);
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (told.retryAfterSeconds !== undefined) headers['retry-after'] = String(told.retryAfterSeconds);
  if (told.final) headers['x-should-retry'] = 'false';
  return { status: told.status, headers, body: errorBody(told, `req_${requestId}`) };
}

function json(value: unknown): Answer {
  return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse(400, `The model name ${text} is not correctly percent-encoded.`);
  }
}
