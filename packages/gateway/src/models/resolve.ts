import type { GatewayConfig, Route } from '../config.ts';
import { refuse } from '../messages/errors.ts';
import type { Dialect, Target } from '../upstream/target.ts';
import type { Catalogue } from './catalogue.ts';
import { profileOf } from './profiles/index.ts';
import type { ProviderRegistry } from './providers.ts';

export interface Resolution {
  targets: Target[];
  /** Spread sessions over the targets instead of trying the targets in order. */
  spread: boolean;
}

/** Resolves the model name of a request to the upstreams that can serve it, the preferred one first. */
export function createResolver(
  config: GatewayConfig,
  catalogue: Catalogue,
  registry: ProviderRegistry,
  demo: Target | undefined,
): (name: string) => Resolution {
  const cache = new Map<string, Resolution>();
  const wildcards = Object.entries(config.models)
    .filter(([pattern]) => pattern.includes('*'))
    .sort(([a], [b]) => b.length - a.length)
    .map(([pattern, route]) => ({ pattern, match: wildcard(pattern), route }));

  /** Follows each entry once at most, so that `*` may lead to `openai/*` without a loop. */
  function routeFor(
    name: string,
    used: readonly string[],
  ): { pattern: string; route: Route; captured: string } | undefined {
    const exact =
      Object.hasOwn(config.models, name) && !used.includes(name) ? config.models[name] : undefined;
    if (exact) return { pattern: name, route: exact, captured: name };
    for (const { pattern, match, route } of wildcards) {
      const captured = used.includes(pattern) ? undefined : match(name);
      if (captured !== undefined) return { pattern, route, captured };
    }
    return undefined;
  }

  /** Skips targets whose provider is not configured, unless there are no others. */
  function usable(list: (() => Target[])[]): Target[] {
    const targets: Target[] = [];
    let refused: unknown;
    for (const get of list) {
      try {
        targets.push(...get());
      } catch (error) {
        refused ??= error;
      }
    }
    if (targets.length === 0 && refused !== undefined) throw refused;
    return targets;
  }

  function resolve(name: string, used: readonly string[]): Resolution {
    const found = routeFor(name, used);
    if (found) {
      const { pattern, route, captured } = found;
      const list = typeof route === 'string' ? [route] : Array.isArray(route) ? route : route.targets;
      const targets = usable(
        list.map(
          (entry) => () =>
            resolve(
              entry.replace('*', () => captured),
              [...used, pattern],
            ).targets,
        ),
      );
      return { targets, spread: typeof route === 'object' && !Array.isArray(route) && route.spread === true };
    }
    if (demo && (name === 'demo' || name.startsWith('demo/') || name.startsWith('demo-'))) {
      return { targets: [{ ...demo, model: name }], spread: false };
    }
    const slash = name.indexOf('/');
    if (slash > 0) {
      const provider = registry.canonical(name.slice(0, slash));
      if (registry.has(provider)) return { targets: [ready(provider, name.slice(slash + 1))], spread: false };
    }
    const provider = catalogue.providerOf(name);
    if (provider) return { targets: [ready(provider, name)], spread: false };
    if (config.default_model && !used.includes('default_model')) {
      return resolve(config.default_model, [...used, 'default_model']);
    }
    return refuse(
      404,
      `model: ${name}. No provider is known for this name. Write it as provider/model (openai/gpt-4.1, ` +
        'ollama/qwen3), or give it a target under `models` in the gateway configuration.',
    );
  }

  function ready(provider: string, name: string): Target {
    const { model, spoken } = withoutRoute(provider, name);
    // Some providers have the model's name in the URL path.
    if (!/^[\w.:@/+,~ -]{1,256}$/.test(model) || model.includes('..')) {
      refuse(400, `model: ${JSON.stringify(model.slice(0, 80))} is not a model name.`);
    }
    const status = registry.status(provider, model);
    if (!status.ready) {
      refuse(
        400,
        `The model ${model} is served by ${status.name}, which is not configured: set ${status.missing.join(' and ')} ` +
          'where the gateway runs, or send the name to another provider under `models` in its configuration.',
      );
    }
    return registry.target(provider, model, spoken);
  }

  return (name) => {
    const cached = cache.get(name);
    if (cached) return cached;
    const resolution = resolve(name, []);
    // Clients choose the names; without a bound they could fill the memory.
    if (cache.size >= 1_000) cache.clear();
    cache.set(name, resolution);
    return resolution;
  };
}

/** Splits LiteLLM's route inside a provider off a model name, and returns the dialect that the route selects. */
function withoutRoute(provider: string, name: string): { model: string; spoken?: Dialect } {
  for (const [prefix, spoken] of profileOf(provider).routes ?? []) {
    if (name.startsWith(prefix)) return { model: name.slice(prefix.length), ...(spoken && { spoken }) };
  }
  return { model: name };
}

/** A matcher for patterns such as `claude-*`; it returns the text matched by the first `*`. */
function wildcard(pattern: string): (name: string) => string | undefined {
  const escaped = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const expression = new RegExp(`^${escaped.join('(.*)')}$`);
  return (name) => expression.exec(name)?.[1];
}
