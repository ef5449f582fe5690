import type { GatewayConfig, ProviderConfig } from '../config.ts';
import type { Dialect, ModelFacts, Target } from '../providers/provider.ts';
import type { Catalogue, CatalogueModel, CatalogueProvider } from './catalogue.ts';
import { dialectOfPackage, knownProviders, providerAliases } from './known-providers.ts';

export interface ProviderStatus {
  id: string;
  name: string;
  ready: boolean;
  /** What to set, when it is not ready. */
  missing: string[];
  /** The variables that may hold its key. */
  keyNames: string[];
  keyless: boolean;
  baseUrl: string | undefined;
  /** The address was set by the user; the others are the providers' own, or a local server's usual one. */
  explicitUrl: boolean;
  models: number;
}

/** Everything that is known about providers: the configuration, then the environment, then the catalogue. */
export interface ProviderRegistry {
  has(id: string): boolean;
  canonical(id: string): string;
  status(id: string): ProviderStatus;
  list(): ProviderStatus[];
  /** The target for a model of a provider that is ready. */
  target(provider: string, model: string): Target;
  catalogueModel(provider: string, model: string): CatalogueModel | undefined;
}

interface Connection {
  baseUrl: string | undefined;
  key: string | undefined;
  missing: string[];
  keyless: boolean;
  explicitUrl: boolean;
  settings: Record<string, string>;
}

/** Their address follows from region or project, and their credentials are more than a key. */
const clouds: readonly Dialect[] = ['amazon-bedrock', 'google-vertex', 'google-vertex-anthropic'];

export function createProviderRegistry(
  config: GatewayConfig,
  catalogue: Catalogue,
  keyless = false,
): ProviderRegistry {
  const { env } = config;
  const first = (names: readonly string[]): string | undefined => {
    for (const name of names) if (env[name]) return env[name];
    return undefined;
  };

  function keyNames(id: string, listed: CatalogueProvider | undefined): string[] {
    const known = knownProviders[id]?.keyEnv;
    if (known) return known;
    const fromCatalogue = listed?.env.filter((name) => /KEY|TOKEN|PAT$|SECRET/.test(name)) ?? [];
    return fromCatalogue.length > 0
      ? fromCatalogue
      : [`${id.toUpperCase().replace(/[^A-Z0-9]+/g, '_')}_API_KEY`];
  }

  function baseUrlNames(id: string, keys: readonly string[]): string[] {
    const known = knownProviders[id]?.baseUrlEnv;
    if (known) return known;
    const prefixes = new Set(keys.map((key) => key.replace(/_(API_)?(KEY|TOKEN)$/, '')));
    return [...prefixes].flatMap((prefix) => [`${prefix}_BASE_URL`, `${prefix}_API_BASE`]);
  }

  function connect(id: string): Connection {
    const own: ProviderConfig = config.providers[id] ?? {};
    const listed = catalogue.providers.get(id);
    const known = knownProviders[id];
    const keys = keyNames(id, listed);
    const settings: Record<string, string> = {};
    const missing: string[] = [];
    const key =
      own.api_key ??
      (own.api_key_env ? env[own.api_key_env] : undefined) ??
      first(keys) ??
      (keyless ? 'replay' : undefined);
    const given = own.base_url ?? first(baseUrlNames(id, keys));
    // Gemini and Cohere are in one place, whatever the configuration calls them.
    const home = own.api === 'google' || own.api === 'cohere' ? knownProviders[own.api] : undefined;
    let baseUrl = given ?? known?.baseUrl ?? home?.baseUrl;
    if (baseUrl === undefined && listed?.api) {
      baseUrl = listed.api.replace(/\$\{([A-Z0-9_]+)\}/g, (_, name: string) => {
        if (!env[name]) missing.push(name);
        return env[name] ?? '';
      });
    }
    if (id === 'ollama' && baseUrl && !baseUrl.includes('://')) baseUrl = `http://${baseUrl}`;
    if (keyless) baseUrl ??= 'http://replay.invalid';
    if (id === 'azure') baseUrl = connectAzure(own, baseUrl, settings, missing);
    const kind = own.api ?? known?.dialect;
    const cloud = kind !== undefined && clouds.includes(kind);
    if (kind === 'amazon-bedrock') connectBedrock(own, key, settings, missing);
    else if (cloud) connectVertex(own, key, settings, missing);

    const keylessProvider =
      cloud || (known?.keyless ?? (own.base_url !== undefined && own.api_key_env === undefined && !listed));
    if (!key && !keylessProvider) missing.push(own.api_key_env ?? keys[0] ?? 'api_key');
    if (!baseUrl && !cloud && missing.every((name) => !name.includes('RESOURCE'))) {
      missing.push(`providers.${id}.base_url`);
    }
    return {
      baseUrl: baseUrl?.replace(/\/+$/, ''),
      key,
      missing,
      keyless: keylessProvider,
      explicitUrl: given !== undefined,
      settings,
    };
  }

  /** Azure's v1 API takes a deployment as `model`; with an API version set, the older address of a deployment is used. */
  function connectAzure(
    own: ProviderConfig,
    given: string | undefined,
    settings: Record<string, string>,
    missing: string[],
  ): string | undefined {
    const resource = env.AZURE_RESOURCE_NAME;
    const version = own.api_version ?? first(['AZURE_API_VERSION', 'OPENAI_API_VERSION']);
    if (version) settings.apiVersion = version;
    const root = (given ?? (resource ? `https://${resource}.openai.azure.com` : undefined))?.replace(
      /\/+$/,
      '',
    );
    if (!root) {
      missing.push('AZURE_RESOURCE_NAME (or AZURE_API_BASE)');
      return undefined;
    }
    if (version) return root.replace(/\/openai(\/v1)?$/, '');
    return /\/v1$/.test(root) ? root : `${root.replace(/\/openai$/, '')}/openai/v1`;
  }

  function connectBedrock(
    own: ProviderConfig,
    key: string | undefined,
    settings: Record<string, string>,
    missing: string[],
  ): void {
    settings.region =
      own.region ?? first(['AWS_REGION', 'AWS_REGION_NAME', 'AWS_DEFAULT_REGION']) ?? 'us-east-1';
    if (key) return;
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN']) {
      const value = env[name];
      if (value) settings[name] = value;
      else if (name !== 'AWS_SESSION_TOKEN') missing.push(name);
    }
  }

  function connectVertex(
    own: ProviderConfig,
    key: string | undefined,
    settings: Record<string, string>,
    missing: string[],
  ): void {
    const project =
      own.project ?? first(['GOOGLE_VERTEX_PROJECT', 'VERTEXAI_PROJECT', 'GOOGLE_CLOUD_PROJECT']);
    const location = own.location ?? first(['GOOGLE_VERTEX_LOCATION', 'VERTEXAI_LOCATION']) ?? 'us-central1';
    settings.location = location;
    if (project) settings.project = project;
    else if (!key) missing.push('GOOGLE_VERTEX_PROJECT');
    const credentials = env.GOOGLE_APPLICATION_CREDENTIALS;
    if (credentials) settings.credentials = credentials;
  }

  function dialectFor(id: string, model: CatalogueModel | undefined, connection: Connection): Dialect {
    const own = config.providers[id];
    if (own?.api) return own.api;
    const known = knownProviders[id]?.dialect;
    if (known) return known;
    const listed = catalogue.providers.get(id);
    if (id === 'openai') {
      // OpenAI's reasoning models take tools together with reasoning only in Responses; a server that stands in for
      // OpenAI (OPENAI_BASE_URL) is more likely to have Chat Completions.
      const genuine = connection.baseUrl === knownProviders.openai?.baseUrl;
      return genuine && model?.facts.reasoning ? 'openai-responses' : 'openai-chat';
    }
    return dialectOfPackage[model?.npm ?? listed?.npm ?? ''] ?? 'openai-chat';
  }

  function factsFor(id: string, model: string, found: CatalogueModel | undefined): ModelFacts {
    const { echo_reasoning: echo, prices: _prices, ...own } = config.providers[id]?.models?.[model] ?? {};
    const facts: ModelFacts = { ...found?.facts };
    for (const [name, value] of Object.entries(own))
      if (value !== undefined) Object.assign(facts, { [name]: value });
    if (echo !== undefined) facts.echoReasoning = echo;
    return facts;
  }

  function headersFor(dialect: Dialect, id: string, key: string | undefined): Record<string, string> {
    const extra = Object.fromEntries(
      Object.entries(config.providers[id]?.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
    );
    const bearer = id === 'anthropic' && !key ? env.ANTHROPIC_AUTH_TOKEN : undefined;
    if (bearer) return { authorization: `Bearer ${bearer}`, ...extra };
    if (!key) return extra;
    if (dialect === 'anthropic') {
      // Imitations differ in which of the two they read.
      return id === 'anthropic'
        ? { 'x-api-key': key, ...extra }
        : { 'x-api-key': key, authorization: `Bearer ${key}`, ...extra };
    }
    if (id === 'azure') return { 'api-key': key, ...extra };
    return { authorization: `Bearer ${key}`, ...extra };
  }

  function findModel(id: string, model: string): CatalogueModel | undefined {
    return catalogue.providers.get(id)?.model(model);
  }

  const has = (id: string) =>
    Object.hasOwn(config.providers, id) || catalogue.providers.has(id) || Object.hasOwn(knownProviders, id);

  function status(id: string): ProviderStatus {
    const listed = catalogue.providers.get(id);
    const connection = connect(id);
    const token = id === 'anthropic' && env.ANTHROPIC_AUTH_TOKEN;
    const missing = token
      ? connection.missing.filter((name) => name !== 'ANTHROPIC_API_KEY')
      : connection.missing;
    return {
      id,
      name: listed?.name ?? knownProviders[id]?.name ?? id,
      ready: keyless || missing.length === 0,
      missing,
      keyNames: keyNames(id, listed),
      keyless: connection.keyless,
      baseUrl: connection.baseUrl,
      explicitUrl: connection.explicitUrl,
      models: listed?.modelIds().length ?? Object.keys(config.providers[id]?.models ?? {}).length,
    };
  }

  return {
    has,
    canonical: (id) => (has(id) ? id : (providerAliases[id] ?? id)),
    status,
    list() {
      const ids = new Set([
        ...Object.keys(config.providers),
        ...Object.keys(knownProviders),
        ...catalogue.providers.keys(),
      ]);
      return [...ids].sort().map(status);
    },
    target(id, model) {
      const own = config.providers[id];
      const connection = connect(id);
      const found = findModel(id, model);
      const dialect = dialectFor(id, found, connection);
      const settings = { ...connection.settings };
      if (connection.key) settings.key = connection.key;
      const genuine = id === 'azure' || connection.baseUrl === knownProviders.openai?.baseUrl;
      if (genuine) settings.flavor = 'openai';
      let baseUrl = (own?.base_url ? connection.baseUrl : (found?.api ?? connection.baseUrl)) ?? '';
      if (id === 'azure' && settings.apiVersion) {
        baseUrl = `${baseUrl}/openai/deployments/${encodeURIComponent(model)}`;
      }
      return {
        provider: id,
        dialect,
        model,
        baseUrl: baseUrl.replace(/\/+$/, ''),
        headers: headersFor(dialect, id, connection.key),
        settings,
        facts: factsFor(id, model, found),
        refuses: knownProviders[id]?.refuses ?? [],
        firstParty:
          dialect === 'anthropic' &&
          (id === 'anthropic' || connection.baseUrl === knownProviders.anthropic?.baseUrl),
        timeoutMs: (own?.timeout_seconds ?? config.timeout_seconds) * 1000,
        idleTimeoutMs: (own?.idle_timeout_seconds ?? config.idle_timeout_seconds) * 1000,
        maxConcurrency: own?.max_concurrency ?? Number.POSITIVE_INFINITY,
      };
    },
    catalogueModel: findModel,
  };
}
