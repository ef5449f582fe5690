import type { Profiles } from './profile.ts';

const baseUrl = 'https://api.openai.com/v1';

export const openai: Profiles = {
  openai: {
    routes: [
      ['responses/', 'openai-responses'],
      ['chat/', 'openai-chat'],
    ],
    // OpenAI's reasoning models combine tools and reasoning only in Responses. Servers that replace OpenAI
    // (OPENAI_BASE_URL) are more likely to have Chat Completions.
    dialectFor: (address, reasoning) =>
      reasoning && address?.replace(/\/+$/, '') === baseUrl ? 'openai-responses' : 'openai-chat',
    baseUrl,
    keyNames: ['OPENAI_API_KEY'],
    baseUrlNames: ['OPENAI_BASE_URL', 'OPENAI_API_BASE'],
  },
};
