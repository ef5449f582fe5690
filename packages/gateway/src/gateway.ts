import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GatewayConfig } from './config.ts';
import { proxiesOf } from './environment.ts';
import { withKeys } from './http/keys.ts';
import { fromNode, toNode } from './http/node.ts';
import { createRoutes, toErrorAnswer } from './http/routes.ts';
import { fromRequest, toResponse } from './http/web.ts';
import type { Usage } from './messages/types.ts';
import { loadCatalogue } from './models/catalogue.ts';
import { checkConfig, contextOf, findSelf, refusalOf } from './models/check.ts';
import { type CatalogueListing, listModels } from './models/listing.ts';
import { createPricing, priceOf } from './models/prices.ts';
import { createProviderRegistry, type ProviderStatus } from './models/providers.ts';
import { createResolver } from './models/resolve.ts';
import { discard } from './pipeline/answer.ts';
import type { GatewayHooks } from './pipeline/hooks.ts';
import { createPipeline } from './pipeline/pipeline.ts';
import { createDemoProvider, demoTarget, type LocalModel } from './providers/demo.ts';
import { createProviderLoader } from './providers/index.ts';
import { bounded } from './transport/bounds.ts';
import { fetchTransport } from './transport/fetch.ts';
import type { Transport } from './transport/transport.ts';
import { createTransport } from './transport/undici.ts';

export interface GatewayOptions extends GatewayHooks {
  config: GatewayConfig;
  /** Answers for the models `demo`, `demo-…` and `demo/…`, without any upstream. */
  demo?: LocalModel;
  /** Sends the requests to upstreams; for recording, replaying and tests. */
  transport?: Transport;
  /** Providers work without keys: for replaying, where no upstream is called. */
  keyless?: boolean;
  /** The same, as a fetch function. */
  fetch?: typeof fetch;
}

export interface Gateway {
  /** Answers a web-standard request: mount it under any server. */
  fetch(request: Request): Promise<Response>;
  /** Answers a request of node:http, which is faster: no Request, Response or web stream in between. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** The list of `GET /v1/models`. */
  models(): CatalogueListing[];
  /** All providers, with what each of them still needs. */
  providers(): ProviderStatus[];
  /** The context window that all upstreams of a model have; undefined when it is unknown, or the name is not served. */
  contextOf(model: string): number | undefined;
  /** Why a model cannot be served, and what to do; undefined when it can. */
  refusalOf(model: string): string | undefined;
  /** The dollars for a model call, whether or not it went through the gateway; undefined without a known price. */
  costOf(provider: string, model: string, usage: Usage): Promise<number | undefined>;
  /** Dollars for a million tokens, at the first upstream of a model; undefined when unknown, or the name is not served. */
  priceOf(model: string): Promise<{ input: number; output: number } | undefined>;
  /** Problems of the configuration: `errors` cannot work at all, `warnings` not until something is set. */
  check(): { errors: string[]; warnings: string[] };
  /** An error message when one of these addresses (host:port) is also an upstream; undefined when none is. */
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
  const pipeline = createPipeline({
    config,
    hooks: withKeys(config, options),
    send,
    resolve,
    costOf,
    load: createProviderLoader(options.demo ? createDemoProvider(options.demo) : undefined),
    keyHint,
  });

  /** Tells where the key of a provider is set. */
  function keyHint(provider: string): string {
    const own = config.providers[provider];
    if (own?.api_key_env) return own.api_key_env;
    if (own?.api_key) return `providers.${provider}.api_key`;
    return registry.status(provider).keyNames.join(' or ') || 'its api_key';
  }

  const answer = createRoutes({
    ...pipeline,
    models: () => listModels(config, catalogue, registry),
    resolve,
    log: options.log,
  });

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
          // The client sees a broken answer; an error thrown here would make the host write the headers again.
          options.log?.({
            level: 'error',
            message: `an answer failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
          });
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
    priceOf: (model) => priceOf(resolve, costOf, model),
    check: () => checkConfig(config, registry, resolve),
    findSelf: (addresses) => findSelf(registry, addresses),
    close() {
      own?.close();
    },
  };
}
