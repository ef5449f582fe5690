import type { GatewayConfig, ProviderConfig } from '../config.ts';
import type { Dialect, ModelFacts, Target } from '../upstream/target.ts';
import { baseModelOf } from './base-model.ts';
import type { Catalogue, CatalogueModel, CatalogueProvider } from './catalogue.ts';
import {
  addressVariable,
  type CloudContext,
  connectAzure,
  connectBedrock,
  connectVertex,
  isAzure,
} from './clouds.ts';
import { usableHeaders, usableKey } from './credentials.ts';
import { dialectOfPackage, knownProviders, providerAliases } from './known-providers.ts';

export interface ProviderStatus {
  id: string;
  name: string;
  ready: boolean;
  /** What to set, when it is not ready: names, and for a key that is set but cannot be sent, why. */
  missing: string[];
  /** The variables that may hold its key. */
  keyNames: string[];
  /** Where somebody has given it a credential, or an entry in the configuration: a name, never a value. */
  given: string | undefined;
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
  /** With a model's name, what this model needs: some have an address of their own. */
  status(id: string, model?: string): ProviderStatus;
  list(): ProviderStatus[];
  /** The target for a model of a provider that is ready. */
  /** @param spoken the dialect that the request's name asks for */
  target(provider: string, model: string, spoken?: Dialect): Target;
  catalogueModel(provider: string, model: string): CatalogueModel | undefined;
}

interface Connection {
  dialect: Dialect;
  baseUrl: string | undefined;
  key: string | undefined;
  /** Anthropic's other credential. */
  bearer: string | undefined;
  headers: Record<string, string>;
  missing: string[];
  keyless: boolean;
  explicitUrl: boolean;
  /** The address is the model's own, not its provider's. */
  ownAddress: boolean;
  settings: Record<string, string>;
}

/** Names that have a meaning of their own on many machines: they do not say that somebody wants models from there. */
const commonNames = new Set(['GITHUB_TOKEN', 'GITLAB_TOKEN', 'CLOUDFLARE_API_TOKEN', 'DATABRICKS_TOKEN']);
/** Clouds find their credentials themselves; these say that there are some. */
const cloudNames: Readonly<Record<string, string[]>> = {
  'amazon-bedrock': ['AWS_BEARER_TOKEN_BEDROCK', 'AWS_ACCESS_KEY_ID', 'AWS_PROFILE'],
  'google-vertex': ['GOOGLE_VERTEX_API_KEY', 'GOOGLE_APPLICATION_CREDENTIALS'],
  'google-vertex-anthropic': ['GOOGLE_APPLICATION_CREDENTIALS'],
};

/** Their address follows from region or project, and their credentials are more than a key. */
const clouds: readonly Dialect[] = ['amazon-bedrock', 'google-vertex', 'google-vertex-anthropic'];

const variable = /\$\{(\w+)\}/g;

export function createProviderRegistry(
  config: GatewayConfig,
  catalogue: Catalogue,
  keyless = false,
): ProviderRegistry {
  const { env } = config;
  const first = (names: readonly string[]): string | undefined => {
    for (const name of names) {
      const value = env[name]?.trim();
      if (value) return value;
    }
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

  function baseUrlNames(
    id: string,
    listed: CatalogueProvider | undefined,
    keys: readonly string[],
  ): string[] {
    const known = knownProviders[id]?.baseUrlEnv;
    if (known) return known;
    const prefixes = new Set(keys.map((key) => key.replace(/_(API_)?(KEY|TOKEN)$/, '')));
    // Neon's variable is only the beginning of its addresses.
    return [...prefixes]
      .flatMap((prefix) => [`${prefix}_BASE_URL`, `${prefix}_API_BASE`])
      .filter((name) => !listed?.api?.includes(`\${${name}}`));
  }

  function keyOf(id: string, own: ProviderConfig, keys: readonly string[], missing: string[]) {
    const candidates: [string, string | undefined][] = [
      [`providers.${id}.api_key`, own.api_key],
      ...(own.api_key_env ? [own.api_key_env] : [])
        .concat(keys)
        .map((name): [string, string | undefined] => [name, env[name]]),
    ];
    const found = candidates.find(([, value]) => value?.trim());
    return found && usableKey(...found, missing);
  }

  /** An address of the catalogue, with the names in it replaced by what they stand for here. */
  function expand(address: string, context: CloudContext): string {
    return address.replace(variable, (_, name: string, at: number) => {
      const value = addressVariable(name, context);
      if (value !== undefined) return value;
      context.missing.push(name);
      if (!keyless) return '';
      return at === 0 ? 'http://replay.invalid' : 'replay';
    });
  }

  /** How a provider is reached, for one of its models: some are at another address, and in another dialect. */
  function connect(id: string, model?: CatalogueModel): Connection {
    const own: ProviderConfig = config.providers[id] ?? {};
    const listed = catalogue.providers.get(id);
    const known = knownProviders[id];
    const keys = keyNames(id, listed);
    const settings: Record<string, string> = {};
    const missing: string[] = [];
    const ownKey = keyOf(id, own, keys, missing);
    const badKey = missing.length > 0;
    const bearer =
      id === 'anthropic' && !ownKey && !badKey
        ? usableKey('ANTHROPIC_AUTH_TOKEN', env.ANTHROPIC_AUTH_TOKEN, missing)
        : undefined;
    const noKey = !ownKey && !bearer && missing.length === 0;
    const key = ownKey ?? (keyless && !bearer ? 'replay' : undefined);
    const given = own.base_url ?? first(baseUrlNames(id, listed, keys));
    // What the user has set holds for all of a provider's models: an address that the catalogue knows for one of them
    // would lead past it.
    const address = given === undefined && own.api === undefined ? model?.api : undefined;
    // Gemini and Cohere are in one place, whatever the configuration calls them.
    const home = own.api === 'google' || own.api === 'cohere' ? knownProviders[own.api] : undefined;
    let baseUrl = given ?? known?.baseUrl ?? home?.baseUrl;
    if (id === 'ollama' && baseUrl && !baseUrl.includes('://')) baseUrl = `http://${baseUrl}`;
    const dialect = dialectFor(id, model, address, baseUrl);
    const kind = own.api ?? known?.dialect;
    const cloud = kind !== undefined && clouds.includes(kind);
    const context = { own, key, first, settings, missing };
    if (kind === 'amazon-bedrock') connectBedrock(!clouds.includes(dialect), context);
    else if (cloud) {
      if (model?.npm && dialectOfPackage[model.npm] === 'openai-chat' && address) settings.package = 'maas';
      connectVertex(dialect === 'google-vertex' && !settings.package, context);
    }
    if (address !== undefined) baseUrl = expand(address, context);
    else if (baseUrl === undefined && listed?.api) baseUrl = expand(listed.api, context);
    if (keyless) baseUrl ??= 'http://replay.invalid';
    if (isAzure(id) && address === undefined) {
      baseUrl = connectAzure(id, baseUrl, dialect === 'anthropic', context);
    }

    const keylessProvider =
      cloud || (known?.keyless ?? (own.base_url !== undefined && own.api_key_env === undefined && !listed));
    if (noKey && !key && !keylessProvider) missing.push(own.api_key_env ?? keys[0] ?? 'api_key');
    if (!baseUrl && !cloud && !isAzure(id)) missing.push(`providers.${id}.base_url`);
    return {
      dialect,
      baseUrl: baseUrl?.replace(/\/+$/, ''),
      key,
      bearer,
      headers: usableHeaders(id, own.headers ?? {}, missing),
      missing: [...new Set(missing)],
      keyless: keylessProvider,
      explicitUrl: given !== undefined || listed?.api?.startsWith('${') === true,
      ownAddress: address !== undefined,
      settings,
    };
  }

  function dialectFor(
    id: string,
    model: CatalogueModel | undefined,
    address: string | undefined,
    baseUrl: string | undefined,
  ): Dialect {
    const own = config.providers[id];
    if (own?.api) return own.api;
    const known = knownProviders[id]?.dialect;
    // A model's package belongs to its address, if it has one: elsewhere its provider's dialect is spoken. Azure has
    // the same paths at every address.
    if (model?.npm && (model.api === address || isAzure(id))) {
      const spoken = dialectOfPackage[model.npm] ?? 'openai-chat';
      // Open models on Vertex: Chat Completions, but with Google's credentials, which its own package has.
      return known === 'google-vertex' && spoken === 'openai-chat' ? known : spoken;
    }
    if (known) return known;
    if (id === 'openai') {
      // OpenAI's reasoning models take tools together with reasoning only in Responses; a server that stands in for
      // OpenAI (OPENAI_BASE_URL) is more likely to have Chat Completions.
      const genuine = baseUrl?.replace(/\/+$/, '') === knownProviders.openai?.baseUrl;
      return genuine && model?.facts.reasoning ? 'openai-responses' : 'openai-chat';
    }
    return dialectOfPackage[catalogue.providers.get(id)?.npm ?? ''] ?? 'openai-chat';
  }

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

  function headersFor(id: string, { dialect, key, bearer, headers }: Connection): Record<string, string> {
    if (bearer) return { authorization: `Bearer ${bearer}`, ...headers };
    if (!key) return headers;
    if (dialect === 'anthropic') {
      // Imitations differ in which of the two they read. Azure would take the second for a token of its directory.
      return id === 'anthropic' || isAzure(id)
        ? { 'x-api-key': key, ...headers }
        : { 'x-api-key': key, authorization: `Bearer ${key}`, ...headers };
    }
    if (isAzure(id)) return { 'api-key': key, ...headers };
    return { authorization: `Bearer ${key}`, ...headers };
  }

  function findModel(id: string, model: string): CatalogueModel | undefined {
    const provider = catalogue.providers.get(id);
    return provider?.model(model) ?? provider?.model(baseModelOf(config, id, model));
  }

  const has = (id: string) =>
    Object.hasOwn(config.providers, id) || catalogue.providers.has(id) || Object.hasOwn(knownProviders, id);

  function givenBy(id: string, connection: Connection, names: readonly string[]): string | undefined {
    if (Object.hasOwn(config.providers, id)) return `providers.${id}`;
    const name = (cloudNames[id] ?? names).find((each) => env[each]?.trim() && !commonNames.has(each));
    if (name !== undefined) return name;
    return connection.keyless && connection.explicitUrl && !cloudNames[id] ? connection.baseUrl : undefined;
  }

  function status(id: string, model?: string): ProviderStatus {
    const listed = catalogue.providers.get(id);
    const connection = connect(id, model === undefined ? undefined : findModel(id, model));
    const names = keyNames(id, listed);
    return {
      id,
      name: listed?.name ?? knownProviders[id]?.name ?? id,
      ready: keyless || connection.missing.length === 0,
      missing: connection.missing,
      keyNames: names,
      given: givenBy(id, connection, names),
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
      return [...ids].sort().map((id) => status(id));
    },
    target(id, model, spoken) {
      const own = config.providers[id];
      const found = findModel(id, model);
      const connection = connect(id, found);
      const dialect = spoken ?? connection.dialect;
      const settings = { ...connection.settings };
      if (connection.key) settings.key = connection.key;
      const genuine =
        (id === 'azure' && !connection.ownAddress) || connection.baseUrl === knownProviders.openai?.baseUrl;
      if (genuine) settings.flavor = 'openai';
      let baseUrl = connection.baseUrl ?? '';
      if (settings.apiVersion) baseUrl = `${baseUrl}/openai/deployments/${encodeURIComponent(model)}`;
      return {
        provider: id,
        dialect,
        model,
        baseUrl,
        headers: headersFor(id, { ...connection, dialect }),
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
