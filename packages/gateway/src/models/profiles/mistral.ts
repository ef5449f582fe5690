import type { Profiles } from './profile.ts';

export const mistral: Profiles = {
  mistral: {
    aliases: ['codestral'],
    baseUrl: 'https://api.mistral.ai/v1',
    refuses: ['stream_options'],
    hasShortIds: true,
  },
};
