import type { Profiles } from './profile.ts';

export const anthropic: Profiles = {
  anthropic: {
    dialect: 'anthropic',
    baseUrl: 'https://api.anthropic.com',
    keyNames: ['ANTHROPIC_API_KEY'],
    bearerName: 'ANTHROPIC_AUTH_TOKEN',
    baseUrlNames: ['ANTHROPIC_BASE_URL', 'ANTHROPIC_API_BASE'],
    hasBareNames: true,
    isFirstParty: true,
    credentialHeaders: (key, dialect) => (dialect === 'anthropic' ? { 'x-api-key': key } : undefined),
  },
};
