import type { Profiles } from './profile.ts';

export const google: Profiles = {
  google: {
    aliases: ['gemini'],
    dialect: 'google',
    baseUrl: 'https://generativelanguage.googleapis.com/v1beta',
    isOnlyPlace: true,
    keyNames: ['GOOGLE_GENERATIVE_AI_API_KEY', 'GEMINI_API_KEY', 'GOOGLE_API_KEY'],
    baseUrlNames: ['GOOGLE_GENERATIVE_AI_BASE_URL', 'GEMINI_API_BASE'],
  },
};
