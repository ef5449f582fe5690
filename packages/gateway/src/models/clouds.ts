import type { ProviderConfig } from '../config.ts';
import { usableKey } from './credentials.ts';

// What the clouds need besides a key: their addresses follow from a region, a project or a resource.

export interface CloudContext {
  own: ProviderConfig;
  key: string | undefined;
  /** The first of these variables that is set. */
  first(names: readonly string[]): string | undefined;
  /** Both are filled in. */
  settings: Record<string, string>;
  missing: string[];
}

const azures: Readonly<Record<string, { resource: string; domain: string; versions: string[] }>> = {
  azure: {
    resource: 'AZURE_RESOURCE_NAME',
    domain: 'openai.azure.com',
    versions: ['AZURE_API_VERSION', 'OPENAI_API_VERSION'],
  },
  'azure-cognitive-services': {
    resource: 'AZURE_COGNITIVE_SERVICES_RESOURCE_NAME',
    domain: 'cognitiveservices.azure.com',
    versions: [],
  },
};

export const isAzure = (provider: string) => Object.hasOwn(azures, provider);

/**
 * Azure's v1 API takes a deployment as `model`; with an API version set, the older address of a deployment is used.
 * Claude has a path of its own beside them.
 */
export function connectAzure(
  provider: string,
  given: string | undefined,
  claude: boolean,
  { own, first, settings, missing }: CloudContext,
): string | undefined {
  const known = azures[provider];
  if (!known) return given;
  const resource = first([known.resource]);
  const root = (given ?? (resource ? `https://${resource}.${known.domain}` : undefined))?.replace(/\/+$/, '');
  if (!root) {
    missing.push(provider === 'azure' ? `${known.resource} (or AZURE_API_BASE)` : known.resource);
    return undefined;
  }
  if (claude) return `${root.replace(/\/(openai|anthropic)(\/v1)?$/, '')}/anthropic/v1`;
  const version = own.api_version ?? first(known.versions);
  if (version) {
    settings.apiVersion = version;
    return root.replace(/\/openai(\/v1)?$/, '');
  }
  return /\/v1$/.test(root) ? root : `${root.replace(/\/openai$/, '')}/openai/v1`;
}

/** `keyOnly`: this endpoint is not asked through Amazon's package, which alone can sign with an access key. */
export function connectBedrock(keyOnly: boolean, { own, key, first, settings, missing }: CloudContext): void {
  settings.region =
    own.region ?? first(['AWS_REGION', 'AWS_REGION_NAME', 'AWS_DEFAULT_REGION']) ?? 'us-east-1';
  // With a key that cannot be used there is no need of another credential, but of a better key.
  if (key || missing.length > 0) return;
  if (keyOnly) {
    missing.push(own.api_key_env ?? 'AWS_BEARER_TOKEN_BEDROCK');
    return;
  }
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN']) {
    const raw = first([name]);
    const value = usableKey(name, raw, missing);
    if (value) settings[name] = value;
    else if (!raw && name !== 'AWS_SESSION_TOKEN') missing.push(name);
  }
}

/** `express`: an API key is enough, which Vertex takes for Gemini only. */
export function connectVertex(express: boolean, { own, key, first, settings, missing }: CloudContext): void {
  const project = own.project ?? first(['GOOGLE_VERTEX_PROJECT', 'VERTEXAI_PROJECT', 'GOOGLE_CLOUD_PROJECT']);
  settings.location = own.location ?? first(['GOOGLE_VERTEX_LOCATION', 'VERTEXAI_LOCATION']) ?? 'us-central1';
  if (project) settings.project = project;
  else if (!key || !express) missing.push('GOOGLE_VERTEX_PROJECT');
  const credentials = first(['GOOGLE_APPLICATION_CREDENTIALS']);
  if (credentials) settings.credentials = credentials;
}

/** What a name in one of the catalogue's addresses stands for: here it may be set in other ways than by that name. */
export function addressVariable(
  name: string,
  { first, settings }: Pick<CloudContext, 'first' | 'settings'>,
): string | undefined {
  switch (name) {
    case 'AWS_REGION':
      return settings.region;
    case 'GOOGLE_VERTEX_PROJECT':
      return settings.project;
    case 'GOOGLE_VERTEX_LOCATION':
      return settings.location;
    case 'GOOGLE_VERTEX_ENDPOINT':
      return first([name]) ?? (settings.location && vertexHost(settings.location));
    default:
      return first([name]);
  }
}

function vertexHost(location: string): string {
  if (location === 'global') return 'aiplatform.googleapis.com';
  if (location === 'eu' || location === 'us') return `aiplatform.${location}.rep.googleapis.com`;
  return `${location}-aiplatform.googleapis.com`;
}
