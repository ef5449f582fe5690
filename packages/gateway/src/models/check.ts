import type { GatewayConfig } from '../config.ts';
import { GatewayError } from '../messages/errors.ts';
import type { ProviderRegistry } from './providers.ts';
import type { Resolution } from './resolve.ts';

type Resolve = (name: string) => Resolution;

/**
 * Finds the problems of a configuration. They are reported at the start, because the agent does not show its user the
 * error of a missing model.
 */
export function checkConfig(config: GatewayConfig, registry: ProviderRegistry, resolve: Resolve) {
  const errors: string[] = [];
  const warnings: string[] = [];
  const look = (field: string, target: string) => {
    try {
      resolve(target);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      // 400: the model is known, but a setting is missing.
      const list = error.failure.status === 404 ? errors : warnings;
      list.push(`${field}: ${error.failure.message}`);
    }
  };
  for (const [name, route] of Object.entries(config.models)) {
    const targets = typeof route === 'string' ? [route] : Array.isArray(route) ? route : route.targets;
    // The models behind a pattern are not known yet.
    if (!name.includes('*')) look(`models.${name}`, name);
    for (const target of targets)
      if (!target.includes('*') && target !== name) look(`models.${name}`, target);
  }
  if (config.default_model) look('default_model', config.default_model);
  for (const id of Object.keys(config.providers)) {
    const { ready, missing } = registry.status(registry.canonical(id));
    if (!ready) warnings.push(`providers.${id} cannot be used: set ${missing.join(' and ')}`);
  }
  return { errors: [...new Set(errors)], warnings: [...new Set(warnings)] };
}

/** Why a model cannot be served, and what to do about it; undefined when it can be. */
export function refusalOf(resolve: Resolve, model: string): string | undefined {
  try {
    resolve(model);
    return undefined;
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return error.failure.message;
  }
}

/** The smallest context window among a model's targets; undefined when unknown. */
export function contextOf(resolve: Resolve, model: string): number | undefined {
  try {
    const known = resolve(model).targets.flatMap(({ facts }) => (facts.context ? [facts.context] : []));
    return known.length > 0 ? Math.min(...known) : undefined;
  } catch {
    return undefined;
  }
}

/** Finds an upstream that is this gateway itself, which would be an endless loop. */
export function findSelf(registry: ProviderRegistry, addresses: readonly string[]): string | undefined {
  const own = new Set(addresses.map((address) => normal(new URL(`http://${address}`))));
  for (const provider of registry.list()) {
    if (!provider.explicitUrl || !provider.baseUrl || !URL.canParse(provider.baseUrl)) continue;
    if (own.has(normal(new URL(provider.baseUrl)))) {
      return (
        `The upstream of ${provider.id} is ${provider.baseUrl}, which is this gateway itself: every request would ` +
        'loop. Unset that variable or base_url, or point it at the real provider.'
      );
    }
  }
  return undefined;
}

/** Host and port, with one name for all loopback and wildcard addresses. */
function normal(url: URL): string {
  const local = ['localhost', '127.0.0.1', '[::1]', '0.0.0.0', '[::]'].includes(url.hostname);
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return `${local ? 'localhost' : url.hostname}:${port}`;
}
