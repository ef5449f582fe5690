import type { GatewayConfig } from '../config.ts';
import type { Dialect, ModelFacts, Target, TargetBase } from '../upstream/target.ts';
import { baseModelOf } from './base-model.ts';
import type { Catalogue, CatalogueModel } from './catalogue.ts';
import { type Connection, createConnector } from './connection.ts';
import { defaultRegion } from './profiles/bedrock.ts';
import { canonicalId, isHomeOf, profiledIds, profileOf, thinkingStyleOf } from './profiles/index.ts';

export interface ProviderStatus {
  id: string;
  name: string;
  ready: boolean;
  /** The names of missing settings; for a key that is set but unusable, also the reason. */
  missing: string[];
  /** The variables that may hold its key. */
  keyNames: readonly string[];
  /** The name (never the value) of the variable or setting by which the user configured it. */
  given: string | undefined;
  keyless: boolean;
  baseUrl: string | undefined;
  /** The user set the address; otherwise it is the provider's own, or a local server's default. */
  explicitUrl: boolean;
  models: number;
}

/** All knowledge about providers, from configuration, environment, profiles and catalogue. */
export interface ProviderRegistry {
  has(id: string): boolean;
  canonical(id: string): string;
  /** With a model's name, the status for that model: some have their own address. */
  status(id: string, model?: string): ProviderStatus;
  list(): ProviderStatus[];
  /**
   * The target for a model of a provider that is ready.
   * @param spoken the dialect that the name in the request asks for
   */
  target(provider: string, model: string, spoken?: Dialect): Target;
}

/** Common on machines whose users do not use the provider's models: they do not show that it is configured. */
const commonNames = new Set(['GITHUB_TOKEN', 'GITLAB_TOKEN', 'CLOUDFLARE_API_TOKEN', 'DATABRICKS_TOKEN']);

export function createProviderRegistry(
  config: GatewayConfig,
  catalogue: Catalogue,
  keyless = false,
): ProviderRegistry {
  const { env } = config;
  const { connect, keyNames } = createConnector(config, catalogue, keyless);

  function factsFor(id: string, model: string, found: CatalogueModel | undefined): ModelFacts {
    const {
      echo_reasoning: echo,
      base_model: baseModel,
      prices: _prices,
      ...own
    } = config.providers[id]?.models?.[model] ?? {};
    const facts: ModelFacts = { ...found?.facts };
    for (const [name, value] of Object.entries(own))
      if (value !== undefined) Object.assign(facts, { [name]: value });
    if (echo !== undefined) facts.echoReasoning = echo;
    if (baseModel !== undefined) facts.baseModel = baseModel;
    return facts;
  }

  function findModel(id: string, model: string): CatalogueModel | undefined {
    const provider = catalogue.providers.get(id);
    return provider?.model(model) ?? provider?.model(baseModelOf(config, id, model));
  }

  const has = (id: string) =>
    Object.hasOwn(config.providers, id) || catalogue.providers.has(id) || profiledIds.includes(id);

  function givenBy(id: string, connection: Connection): string | undefined {
    if (Object.hasOwn(config.providers, id)) return `providers.${id}`;
    const { credentialNames } = profileOf(id);
    const names = credentialNames ?? keyNames(id);
    const name = names.find((each) => env[each]?.trim() && !commonNames.has(each));
    if (name !== undefined) return name;
    return connection.keyless && connection.explicitUrl && !credentialNames ? connection.baseUrl : undefined;
  }

  function status(id: string, model?: string): ProviderStatus {
    const listed = catalogue.providers.get(id);
    const connection = connect(id, model === undefined ? undefined : findModel(id, model));
    return {
      id,
      name: listed?.name ?? profileOf(id).name ?? id,
      ready: keyless || connection.missing.length === 0,
      missing: connection.missing,
      keyNames: keyNames(id),
      given: givenBy(id, connection),
      keyless: connection.keyless,
      baseUrl: connection.baseUrl,
      explicitUrl: connection.explicitUrl,
      models: listed?.modelIds().length ?? Object.keys(config.providers[id]?.models ?? {}).length,
    };
  }

  return {
    has,
    canonical: (id) => (has(id) ? id : (canonicalId(id) ?? id)),
    status,
    list() {
      const ids = new Set([...Object.keys(config.providers), ...profiledIds, ...catalogue.providers.keys()]);
      return [...ids].sort().map((id) => status(id));
    },
    target(id, model, spoken) {
      const own = config.providers[id];
      const found = findModel(id, model);
      const connection = connect(id, found);
      const dialect = spoken ?? connection.dialect;
      let baseUrl = connection.baseUrl ?? '';
      if (connection.apiVersion) baseUrl = `${baseUrl}/openai/deployments/${encodeURIComponent(model)}`;
      const base: TargetBase = {
        provider: id,
        model,
        baseUrl,
        headers: headersFor(id, dialect, connection),
        facts: factsFor(id, model, found),
        refuses: profileOf(id).refuses ?? [],
        timeoutMs: (own?.timeout_seconds ?? config.timeout_seconds) * 1000,
        idleTimeoutMs: (own?.idle_timeout_seconds ?? config.idle_timeout_seconds) * 1000,
        maxConcurrency: own?.max_concurrency ?? Number.POSITIVE_INFINITY,
      };
      return inDialect(dialect, base, connection);
    },
  };
}

function headersFor(id: string, dialect: Dialect, connection: Connection): Record<string, string> {
  const { key, bearer, headers } = connection;
  if (bearer) return { authorization: `Bearer ${bearer}`, ...headers };
  if (!key) return headers;
  return { ...(profileOf(id).credentialHeaders?.(key, dialect) ?? usualHeaders(key, dialect)), ...headers };
}

/** Imitations of Anthropic's API differ in which of the two headers they read. */
const usualHeaders = (key: string, dialect: Dialect): Record<string, string> => ({
  ...(dialect === 'anthropic' && { 'x-api-key': key }),
  authorization: `Bearer ${key}`,
});

/** The target with the settings of its dialect. */
function inDialect(dialect: Dialect, base: TargetBase, connection: Connection): Target {
  const { key, cloud, baseUrl, apiVersion, isOpenModel } = connection;
  const id = base.provider;
  const { project, location, credentials } = cloud ?? {};
  switch (dialect) {
    case 'anthropic':
      return {
        ...base,
        dialect,
        settings: { firstParty: profileOf(id).isFirstParty === true || isHomeOf('anthropic', baseUrl) },
      };
    case 'openai-chat': {
      const { isOpenai, hasShortIds } = profileOf(id);
      const openai = (isOpenai === true && !connection.ownAddress) || isHomeOf('openai', baseUrl);
      const shortIds = hasShortIds === true;
      return { ...base, dialect, settings: { openai, apiVersion, thinking: thinkingStyleOf(id), shortIds } };
    }
    case 'google':
    case 'cohere':
      return { ...base, dialect, settings: { key } };
    case 'google-vertex':
      return {
        ...base,
        dialect,
        settings: { project, location, credentials, key, openModels: isOpenModel },
      };
    case 'google-vertex-anthropic':
      return { ...base, dialect, settings: { project, location, credentials } };
    case 'amazon-bedrock':
      return {
        ...base,
        dialect,
        settings: { region: cloud?.region ?? defaultRegion, key, accessKey: cloud?.accessKey },
      };
    case 'openai-responses':
    case 'demo':
      return { ...base, dialect, settings: {} };
  }
}
