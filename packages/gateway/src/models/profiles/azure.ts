import type { Address, Profile, ProfileContext, Profiles } from './profile.ts';

interface Service {
  resource: string;
  domain: string;
  versions: readonly string[];
  /** Reported as missing when there is no address. */
  missing: string;
}

/** Azure's paths and headers, which both services share. */
function service(of: Service): Profile {
  return {
    hasFixedPaths: true,
    // Azure would take `Authorization` for an Entra token.
    credentialHeaders: (key, dialect) =>
      dialect === 'anthropic' ? { 'x-api-key': key } : { 'api-key': key },
    address: (given, dialect, context) => address(of, given, dialect === 'anthropic', context),
  };
}

/**
 * Azure's v1 API takes a deployment as `model`. With an API version, the older address of a deployment is used. Claude
 * has its own path.
 */
function address(
  { resource, domain, versions, missing: name }: Service,
  given: string | undefined,
  claude: boolean,
  { own, first, missing }: ProfileContext,
): Address {
  const set = first([resource]);
  const root = (given ?? (set ? `https://${set}.${domain}` : undefined))?.replace(/\/+$/, '');
  if (!root) {
    missing.push(name);
    return { baseUrl: undefined };
  }
  if (claude) return { baseUrl: `${root.replace(/\/(openai|anthropic)(\/v1)?$/, '')}/anthropic/v1` };
  const apiVersion = own.api_version ?? first(versions);
  if (apiVersion) return { baseUrl: root.replace(/\/openai(\/v1)?$/, ''), apiVersion };
  return { baseUrl: /\/v1$/.test(root) ? root : `${root.replace(/\/openai$/, '')}/openai/v1` };
}

export const azure: Profiles = {
  azure: {
    ...service({
      resource: 'AZURE_RESOURCE_NAME',
      domain: 'openai.azure.com',
      versions: ['AZURE_API_VERSION', 'OPENAI_API_VERSION'],
      missing: 'AZURE_RESOURCE_NAME (or AZURE_API_BASE)',
    }),
    aliases: ['azure_ai'],
    routes: [
      ['responses/', 'openai-responses'],
      ['chat/', 'openai-chat'],
    ],
    dialect: 'openai-chat',
    keyNames: ['AZURE_API_KEY', 'AZURE_OPENAI_API_KEY'],
    baseUrlNames: ['AZURE_OPENAI_ENDPOINT', 'AZURE_API_BASE'],
    isOpenai: true,
  },
  'azure-cognitive-services': service({
    resource: 'AZURE_COGNITIVE_SERVICES_RESOURCE_NAME',
    domain: 'cognitiveservices.azure.com',
    versions: [],
    missing: 'AZURE_COGNITIVE_SERVICES_RESOURCE_NAME',
  }),
};
