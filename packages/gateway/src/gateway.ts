import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorBody } from 'claude-agent-protocol/anthropic-errors';
import { type GatewayConfig, proxiesOf } from './config.ts';
import {
  type Answer,
  discard,
  fromNode,
  fromRequest,
  type Incoming,
  toNode,
  toResponse,
} from './http/answer.ts';
import { keysOf } from './http/keys.ts';
import { failure, GatewayError } from './messages/errors.ts';
import type { Usage } from './messages/types.ts';
import { loadCatalogue } from './models/catalogue.ts';
import { checkConfig, contextOf, findSelf, refusalOf } from './models/check.ts';
import { type CatalogueListing, listed, listModels, pageOf } from './models/listing.ts';
import { createPricing } from './models/prices.ts';
import { createProviderRegistry, type ProviderStatus } from './models/providers.ts';
import { createResolver } from './models/resolve.ts';
import type { GatewayHooks } from './pipeline/hooks.ts';
import { createMessagesRoute } from './pipeline/messages.ts';
import { createDemoProvider, demoTarget, type LocalModel } from './providers/demo.ts';
import { createProviderLoader } from './providers/index.ts';
import { bounded } from './transport/bounds.ts';
import { fetchTransport } from './transport/fetch.ts';
import { isAborted, type Transport } from './transport/transport.ts';
import { createTransport } from './transport/undici.ts';

export interface GatewayOptions extends GatewayHooks {
  config: GatewayConfig;
  /** Answers for the models `demo`, `demo-…` and `demo/…`, without any upstream. */
  demo?: LocalModel;
  /** How requests leave; for recording, replaying and tests. */
  transport?: Transport;
  /** Providers work without keys: for replaying, where nothing is really asked. */
  keyless?: boolean;
  /** The same as a fetch function. */
  fetch?: typeof fetch;
}

export interface Gateway {
  /** Answers a web-standard request: mount it under any server. */
  fetch(request: Request): Promise<Response>;
  /** Answers a request of node:http itself, which is quicker: no Request, Response or web stream in between. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** What `GET /v1/models` lists. */
  models(): CatalogueListing[];
  /** Every provider, and what is missing for it to work. */
  providers(): ProviderStatus[];
  /** Tokens that fit into every upstream of a model; undefined when nobody knows, or the name is not served. */
  contextOf(model: string): number | undefined;
  /** Why a model cannot be served, and what to do about it; undefined when it can. */
  refusalOf(model: string): string | undefined;
  /** Dollars for a model call, also for one that did not come through here; undefined when nobody knows a price. */
  costOf(provider: string, model: string, usage: Usage): Promise<number | undefined>;
  /** What of the configuration cannot work: `errors` never, `warnings` not until something is set. */
  check(): { errors: string[]; warnings: string[] };
  /** The sentence to stop with when one of these addresses (host:port) is also an upstream; undefined when none is. */
  findSelf(addresses: readonly string[]): string | undefined;
  close(): void;
}

/** Creates the gateway: one Messages endpoint in front of every configured provider. */
export function createGateway(options: GatewayOptions): Gateway {
  const { config } = options;
  const own = options.transport || options.fetch ? undefined : createTransport(proxiesOf(config.env));
  const out = options.transport ?? (options.fetch ? fetchTransport(options.fetch) : own?.send);
  if (!out) throw new Error('a gateway needs a transport');
  const send = bounded(out);
  const catalogue = loadCatalogue();
  const registry = createProviderRegistry(config, catalogue, options.keyless);
  const resolve = createResolver(config, catalogue, registry, options.demo ? demoTarget : undefined);
  const costOf = createPricing(config, catalogue);
  const route = createMessagesRoute({
    config,
    hooks: withKeys(options),
    send,
    resolve,
    costOf,
    load: createProviderLoader(options.demo ? createDemoProvider(options.demo) : undefined),
    keyHint,
  });

  /** Where the key of a provider is set. */
  function keyHint(provider: string): string {
    const own = config.providers[provider];
    if (own?.api_key_env) return own.api_key_env;
    if (own?.api_key) return `providers.${provider}.api_key`;
    return registry.status(provider).keyNames.join(' or ') || 'its api_key';
  }

  function json(value: unknown): Answer {
    return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
  }

  async function dispatch(incoming: Incoming, requestId: string): Promise<Answer> {
    const path = incoming.path.length > 1 ? incoming.path.replace(/\/$/, '') : incoming.path;
    // node:http itself leaves the body of an answer to HEAD out.
    const method = incoming.method === 'HEAD' ? 'GET' : incoming.method;
    if (path === '/v1/messages' && method === 'POST') return route.messages(incoming, requestId);
    if (path === '/v1/messages/count_tokens' && method === 'POST')
      return route.countTokens(incoming, requestId);
    if (path === '/' && method === 'GET') {
      return { status: 200, headers: { 'content-type': 'text/plain' }, body: 'ok\n' };
    }
    if (path === '/v1/models' && method === 'GET') {
      await route.admit(incoming);
      return json(pageOf(listModels(config, catalogue, registry), new URLSearchParams(incoming.query)));
    }
    if (path.startsWith('/v1/models/') && method === 'GET') {
      await route.admit(incoming);
      const id = decoded(path.slice('/v1/models/'.length));
      const found = listModels(config, catalogue, registry).find((model) => model.id === id);
      // A name need not be listed to be served: bare ones and those that a pattern matches.
      if (!found) resolve(id);
      return json(found ?? listed(id, ''));
    }
    throw new GatewayError(failure(404, `There is no ${method} ${path} here.`));
  }

  async function answer(incoming: Incoming): Promise<Answer> {
    const requestId = randomUUID().replaceAll('-', '');
    let result: Answer;
    try {
      result = await dispatch(incoming, requestId);
    } catch (error) {
      result = toErrorAnswer(error, requestId, options.log);
    }
    result.headers['request-id'] ??= `req_${requestId}`;
    return result;
  }

  return {
    async fetch(request) {
      const { incoming, gone } = fromRequest(request);
      return toResponse(await answer(incoming), gone);
    },
    async handle(request, response) {
      const { incoming, gone } = fromNode(request, response);
      const result = await answer(incoming);
      if (response.destroyed) return discard(result);
      try {
        await toNode(result, response, gone);
      } catch (error) {
        await discard(result);
        if (response.headersSent) {
          // The client sees an answer that breaks off; whoever mounts the gateway could only write a second head.
          options.log?.({ level: 'error', message: `an answer broke off: ${wordsOf(error)}` });
          return;
        }
        await toNode(toErrorAnswer(error, randomUUID(), options.log), response, gone);
      }
    },
    models: () => listModels(config, catalogue, registry),
    providers: () => registry.list(),
    contextOf: (model) => contextOf(resolve, model),
    refusalOf: (model) => refusalOf(resolve, model),
    costOf,
    check: () => checkConfig(config, registry, resolve),
    findSelf: (addresses) => findSelf(registry, addresses),
    close() {
      own?.close();
    },
  };
}

/** A configuration's `keys` hold wherever the gateway is mounted, unless the host has a lock of its own. */
function withKeys(options: GatewayOptions): GatewayHooks {
  if (options.authorize) return options;
  const keys = keysOf(options.config);
  if (!keys.authorize) return options;
  return {
    ...options,
    ...keys,
    ...(options.budget && { budget: options.budget }),
    onUsage(record) {
      keys.onUsage?.(record);
      options.onUsage?.(record);
    },
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new GatewayError(failure(400, `${text} is not a model's name in the form of a URL.`));
  }
}

const wordsOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);

function toErrorAnswer(error: unknown, requestId: string, log: GatewayHooks['log']): Answer {
  const gone = isAborted(error);
  const told =
    error instanceof GatewayError
      ? error.failure
      : failure(500, 'The gateway met an error of its own; its log says more under this request id.');
  if (!(error instanceof GatewayError) && !gone) {
    log?.({
      level: 'error',
      message: wordsOf(error),
      request_id: `req_${requestId}`,
    });
  }
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (told.retryAfterSeconds !== undefined) headers['retry-after'] = String(told.retryAfterSeconds);
  if (told.final) headers['x-should-retry'] = 'false';
  return { status: told.status, headers, body: errorBody(told, `req_${requestId}`) };
}
