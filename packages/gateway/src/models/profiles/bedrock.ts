import type { AccessKey, Dialect } from '../../upstream/target.ts';
import { usableKey } from '../credentials.ts';
import type { CloudSettings, ProfileContext, Profiles } from './profile.ts';

export const defaultRegion = 'us-east-1';

function cloud(dialect: Dialect, { own, key, first, missing }: ProfileContext): CloudSettings {
  const region =
    own.region ?? first(['AWS_REGION', 'AWS_REGION_NAME', 'AWS_DEFAULT_REGION']) ?? defaultRegion;
  const settings: CloudSettings = { region, variables: { AWS_REGION: region } };
  // An unusable key is reported already; other credentials would not help.
  if (key || missing.length > 0) return settings;
  // Only Amazon's package can sign with an access key; other endpoints take a key only.
  if (dialect !== 'amazon-bedrock') {
    missing.push(own.api_key_env ?? 'AWS_BEARER_TOKEN_BEDROCK');
    return settings;
  }
  const accessKey = readAccessKey(first, missing);
  return accessKey ? { ...settings, accessKey } : settings;
}

/** The access key of the environment; adds to `missing` what it lacks. */
function readAccessKey(first: ProfileContext['first'], missing: string[]): AccessKey | undefined {
  const read = (name: string, isOptional = false): string | undefined => {
    const raw = first([name]);
    const value = usableKey(name, raw, missing);
    if (!value && !raw && !isOptional) missing.push(name);
    return value;
  };
  const id = read('AWS_ACCESS_KEY_ID');
  const secret = read('AWS_SECRET_ACCESS_KEY');
  const sessionToken = read('AWS_SESSION_TOKEN', true);
  return id && secret ? { id, secret, sessionToken } : undefined;
}

export const bedrock: Profiles = {
  'amazon-bedrock': {
    aliases: ['bedrock', 'bedrock_converse'],
    routes: [['converse/'], ['invoke/']],
    dialect: 'amazon-bedrock',
    keyNames: ['AWS_BEARER_TOKEN_BEDROCK'],
    baseUrlNames: ['AWS_ENDPOINT_URL_BEDROCK_RUNTIME', 'AWS_BEDROCK_RUNTIME_ENDPOINT'],
    credentialNames: ['AWS_BEARER_TOKEN_BEDROCK', 'AWS_ACCESS_KEY_ID', 'AWS_PROFILE'],
    keyless: true,
    pricingName: 'aws',
    cloud: (dialect, _isOpenModel, context) => cloud(dialect, context),
  },
};
