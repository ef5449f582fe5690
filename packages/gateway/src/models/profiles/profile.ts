import type { ProviderConfig } from '../../config.ts';
import type { AccessKey, Dialect, VertexSettings } from '../../upstream/target.ts';

/** The input for a profile's address and cloud settings. */
export interface ProfileContext {
  own: ProviderConfig;
  key: string | undefined;
  /** The first of these variables that is set. */
  first(names: readonly string[]): string | undefined;
  /** Collects the names of settings that the user has to add. */
  missing: string[];
}

/** The settings of a cloud besides its key; its address depends on some of them. */
export interface CloudSettings extends Partial<VertexSettings> {
  region?: string;
  accessKey?: AccessKey;
  /** Values for variables in the catalogue's addresses that can be set in other ways too. */
  variables: Readonly<Record<string, string | undefined>>;
}

export interface Address {
  baseUrl: string | undefined;
  apiVersion?: string;
}

/**
 * Everything special about one provider that the catalogue does not say. The rest of the gateway does not check for
 * provider ids.
 */
export interface Profile {
  name?: string;
  /** Its other names, mostly LiteLLM's, so that model names can be taken over as they are. */
  aliases?: readonly string[];
  /**
   * LiteLLM's routes inside it (`openai/responses/o3`, `bedrock/converse/…`): the prefix, and the dialect if it sets
   * one.
   */
  routes?: readonly (readonly [prefix: string, dialect?: Dialect])[];
  dialect?: Dialect;
  /** The dialect, if it depends on address and model. */
  dialectFor?(baseUrl: string | undefined, reasoning: boolean | undefined): Dialect;
  baseUrl?: string;
  /** Its dialect exists at this address only: the default also for other ids with this dialect. */
  isOnlyPlace?: true;
  /** All its addresses have the same paths, including the catalogue's addresses of single models. */
  hasFixedPaths?: true;
  /** Variables for the key, the provider's own first, then LiteLLM's. */
  keyNames?: readonly string[];
  /** A variable for a token that goes into `Authorization` instead of a key. */
  bearerName?: string;
  baseUrlNames?: readonly string[];
  /** Variables that show that there are credentials, if its package finds them itself. */
  credentialNames?: readonly string[];
  /** Works without a key: it runs on the user's machine, or finds its credentials itself. */
  keyless?: true;
  /** Its models are listed without the provider's name as a prefix. */
  hasBareNames?: true;
  /** Its id in @pydantic/genai-prices, if that differs. */
  pricingName?: string;
  /** Parameters that it refuses. */
  refuses?: readonly string[];
  /** Anthropic itself, whatever address it is reached at. */
  isFirstParty?: true;
  /** OpenAI's own service at another address. */
  isOpenai?: true;
  /** Ids of tool calls have to be nine letters or digits. */
  hasShortIds?: true;
  /** Open models with Chat Completions are reached through its own package, which has the credentials. */
  hasOpenModels?: true;
  /** The headers that carry the key; undefined for the default ones. */
  credentialHeaders?(key: string, dialect: Dialect): Record<string, string> | undefined;
  /** Completes the address; `given` is the user's or the default one. Adds to `missing` when there is none. */
  address?(given: string | undefined, dialect: Dialect, context: ProfileContext): Address;
  /** The settings of a cloud. Adds to `missing` what is not set. */
  cloud?(dialect: Dialect, isOpenModel: boolean, context: ProfileContext): CloudSettings;
}

export type Profiles = Readonly<Record<string, Profile>>;
