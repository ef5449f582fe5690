import type { ProviderConfig } from '../../config.ts';
import type { AccessKey, Dialect, VertexSettings } from '../../upstream/target.ts';

/** What is known when a provider's address and credentials are put together. */
export interface ProfileContext {
  own: ProviderConfig;
  key: string | undefined;
  /** The first of these variables that is set. */
  first(names: readonly string[]): string | undefined;
  /** What the user has to set: added to. */
  missing: string[];
}

/** What a cloud's requests need besides a key: the address follows from some of it. */
export interface CloudSettings extends Partial<VertexSettings> {
  region?: string;
  accessKey?: AccessKey;
  /** What names in the catalogue's addresses stand for, where they may be set in other ways too. */
  variables: Readonly<Record<string, string | undefined>>;
}

export interface Address {
  baseUrl: string | undefined;
  apiVersion?: string;
}

/**
 * What the catalogue does not say about a provider. Everything that holds for one provider only is in its profile; the
 * rest of the gateway asks for no provider by its id.
 */
export interface Profile {
  name?: string;
  /** Its other names, mostly LiteLLM's, so that model names can be taken over as they are. */
  aliases?: readonly string[];
  /** LiteLLM's routes inside it (`openai/responses/o3`, `bedrock/converse/…`): the prefix, and the dialect if it sets one. */
  routes?: readonly (readonly [prefix: string, dialect?: Dialect])[];
  dialect?: Dialect;
  /** The dialect where it depends on the address and the model. */
  dialectFor?(baseUrl: string | undefined, reasoning: boolean | undefined): Dialect;
  baseUrl?: string;
  /** Its dialect is spoken at this address only, also by a provider that the configuration names otherwise. */
  isOnlyPlace?: true;
  /** Every address of it has the same paths, also one that the catalogue gives a single model. */
  hasFixedPaths?: true;
  /** Variables for the key, the provider's own first, then LiteLLM's. */
  keyNames?: readonly string[];
  /** A variable for a token that goes into `Authorization` instead of a key. */
  bearerName?: string;
  baseUrlNames?: readonly string[];
  /** Variables that say that there are credentials, when its package finds them itself. */
  credentialNames?: readonly string[];
  /** Works without a key: it runs on the user's own machine, or finds its credentials itself. */
  keyless?: true;
  /** Its models are listed, and may be asked for, without its name before them. */
  hasBareNames?: true;
  /** Its id in @pydantic/genai-prices, where that is another one. */
  pricingName?: string;
  /** Parameters that it refuses. */
  refuses?: readonly string[];
  /** Anthropic itself, whatever address it is reached at. */
  isFirstParty?: true;
  /** It is OpenAI's own service under another address. */
  isOpenai?: true;
  /** Ids of tool calls have to be nine letters or digits. */
  hasShortIds?: true;
  /** Open models in Chat Completions are reached through its own package, which has the credentials. */
  hasOpenModels?: true;
  /** The headers that carry a key, where they are not the usual ones; undefined for the usual ones. */
  credentialHeaders?(key: string, dialect: Dialect): Record<string, string> | undefined;
  /** Completes the address: `given` is the user's, or the usual one. Adds to `missing` when there is none. */
  address?(given: string | undefined, dialect: Dialect, context: ProfileContext): Address;
  /** For clouds: what follows from region or project. Adds to `missing` what is not set. */
  cloud?(dialect: Dialect, isOpenModel: boolean, context: ProfileContext): CloudSettings;
}

export type Profiles = Readonly<Record<string, Profile>>;
