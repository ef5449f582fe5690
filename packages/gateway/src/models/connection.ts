import type { GatewayConfig, ProviderConfig } from '../config.ts';
import type { Dialect } from '../upstream/target.ts';
import type { Catalogue, CatalogueModel, CatalogueProvider } from './catalogue.ts';
import { usableHeaders, usableKey } from './credentials.ts';
import { packageDialect, profileOf } from './profiles/index.ts';
import type { CloudSettings, Profile, ProfileContext } from './profiles/profile.ts';

/** Address and credentials of a provider, for one of its models. */
export interface Connection {
  dialect: Dialect;
  baseUrl: string | undefined;
  apiVersion: string | undefined;
  key: string | undefined;
  /** Anthropic's other credential. */
  bearer: string | undefined;
  headers: Record<string, string>;
  cloud: CloudSettings | undefined;
  isOpenModel: boolean;
  /** The names of missing settings; for a key that is set but unusable, also the reason. */
  missing: string[];
  keyless: boolean;
  explicitUrl: boolean;
  /** The address is the model's own, not its provider's. */
  ownAddress: boolean;
}

interface Connector {
  connect(id: string, model?: CatalogueModel): Connection;
  /** The variables that may hold a provider's key. */
  keyNames(id: string): readonly string[];
}

const variable = /\$\{(\w+)\}/g;

/** A placeholder for addresses that a replay does not need. */
const replayUrl = 'http://replay.invalid';

/** The key, or Anthropic's other credential. `lacksKey`: neither is set (an unusable key counts as set). */
interface Credential {
  key: string | undefined;
  bearer: string | undefined;
  lacksKey: boolean;
}

/** Determines addresses and credentials from configuration, environment, profile and catalogue. */
export function createConnector(config: GatewayConfig, catalogue: Catalogue, keyless: boolean): Connector {
  const { env } = config;

  function first(names: readonly string[]): string | undefined {
    for (const name of names) {
      const value = env[name]?.trim();
      if (value) return value;
    }
    return undefined;
  }

  function keyNames(id: string): readonly string[] {
    const known = profileOf(id).keyNames;
    if (known) return known;
    const listed =
      catalogue.providers.get(id)?.env.filter((name) => /KEY|TOKEN|PAT$|SECRET/.test(name)) ?? [];
    return listed.length > 0 ? listed : [`${id.toUpperCase().replace(/[^A-Z0-9]+/g, '_')}_API_KEY`];
  }

  function baseUrlNames(id: string, listed: CatalogueProvider | undefined): readonly string[] {
    const known = profileOf(id).baseUrlNames;
    if (known) return known;
    const prefixes = new Set(keyNames(id).map((key) => key.replace(/_(API_)?(KEY|TOKEN)$/, '')));
    // Neon's variable is only the first part of its addresses.
    return [...prefixes]
      .flatMap((prefix) => [`${prefix}_BASE_URL`, `${prefix}_API_BASE`])
      .filter((name) => !listed?.api?.includes(`\${${name}}`));
  }

  function credentialOf(id: string, own: ProviderConfig, missing: string[]): Credential {
    const candidates: [string, string | undefined][] = [
      [`providers.${id}.api_key`, own.api_key],
      ...(own.api_key_env ? [own.api_key_env] : [])
        .concat(keyNames(id))
        .map((name): [string, string | undefined] => [name, env[name]]),
    ];
    const found = candidates.find(([, value]) => value?.trim());
    const key = found && usableKey(...found, missing);
    const { bearerName } = profileOf(id);
    const bearer =
      bearerName !== undefined && !key && missing.length === 0
        ? usableKey(bearerName, env[bearerName], missing)
        : undefined;
    return {
      key: key ?? (keyless && !bearer ? 'replay' : undefined),
      bearer,
      lacksKey: !key && !bearer && missing.length === 0,
    };
  }

  /** An address of the catalogue with its variables filled in. */
  function expand(address: string, cloud: CloudSettings | undefined, missing: string[]): string {
    return address.replace(variable, (_, name: string, at: number) => {
      const value = cloud?.variables[name] ?? first([name]);
      if (value !== undefined) return value;
      missing.push(name);
      if (!keyless) return '';
      return at === 0 ? replayUrl : 'replay';
    });
  }

  function dialectFor(
    profile: Profile,
    own: ProviderConfig,
    listed: CatalogueProvider | undefined,
    model: CatalogueModel | undefined,
    address: string | undefined,
    baseUrl: string | undefined,
  ): Dialect {
    if (own.api) return own.api;
    // A model's package goes with the model's own address; at other addresses the provider's dialect is spoken.
    if (model?.npm && (model.api === address || profile.hasFixedPaths)) {
      const spoken = packageDialect(model.npm);
      return profile.hasOpenModels && profile.dialect && spoken === 'openai-chat' ? profile.dialect : spoken;
    }
    if (profile.dialect) return profile.dialect;
    return profile.dialectFor?.(baseUrl, model?.facts.reasoning) ?? packageDialect(listed?.npm);
  }

  function connect(id: string, model?: CatalogueModel): Connection {
    const own: ProviderConfig = config.providers[id] ?? {};
    const listed = catalogue.providers.get(id);
    const profile = profileOf(id);
    const missing: string[] = [];
    const { key, bearer, lacksKey } = credentialOf(id, own, missing);
    const context: ProfileContext = { own, key, first, missing };

    const given = own.base_url ?? first(baseUrlNames(id, listed));
    // The user's address applies to all models of the provider, including those with their own address in the
    // catalogue.
    const address = given === undefined && own.api === undefined ? model?.api : undefined;
    const home = own.api && profileOf(own.api).isOnlyPlace ? profileOf(own.api) : undefined;
    let baseUrl = given ?? profile.baseUrl ?? home?.baseUrl;
    const dialect = dialectFor(profile, own, listed, model, address, baseUrl);

    const cloudOf = profileOf(own.api ?? profile.dialect ?? '').cloud;
    const isOpenModel =
      profile.hasOpenModels === true &&
      address !== undefined &&
      model?.npm !== undefined &&
      packageDialect(model.npm) === 'openai-chat';
    const cloud = cloudOf?.(dialect, isOpenModel, context);

    if (address !== undefined) baseUrl = expand(address, cloud, missing);
    else if (baseUrl === undefined && listed?.api) baseUrl = expand(listed.api, cloud, missing);
    if (keyless) baseUrl ??= replayUrl;
    let apiVersion: string | undefined;
    if (profile.address && address === undefined) {
      ({ baseUrl, apiVersion } = profile.address(baseUrl, dialect, context));
    }

    const needsNoKey =
      cloud !== undefined ||
      (profile.keyless ?? (own.base_url !== undefined && own.api_key_env === undefined && !listed));
    if (lacksKey && !key && !needsNoKey) missing.push(own.api_key_env ?? keyNames(id)[0] ?? 'api_key');
    if (!baseUrl && !cloud && !profile.address) missing.push(`providers.${id}.base_url`);
    return {
      dialect,
      baseUrl: baseUrl?.replace(/\/+$/, ''),
      apiVersion,
      key,
      bearer,
      headers: usableHeaders(id, own.headers ?? {}, missing),
      cloud,
      isOpenModel,
      missing: [...new Set(missing)],
      keyless: needsNoKey,
      explicitUrl: given !== undefined || listed?.api?.startsWith('${') === true,
      ownAddress: address !== undefined,
    };
  }

  return { connect, keyNames };
}
