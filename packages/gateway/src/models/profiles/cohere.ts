import type { Profiles } from './profile.ts';

export const cohere: Profiles = {
  cohere: {
    aliases: ['cohere_chat'],
    dialect: 'cohere',
    baseUrl: 'https://api.cohere.com/v2',
    isOnlyPlace: true,
    keyNames: ['COHERE_API_KEY', 'CO_API_KEY'],
    baseUrlNames: ['COHERE_BASE_URL', 'COHERE_API_BASE'],
  },
};
