import type { Profiles } from './profile.ts';

const baseUrl = 'https://api.openai.com/v1';

export const openai: Profiles = {
  openai: {
    routes: [
      ['responses/', 'openai-responses'],
      ['chat/', 'openai-chat'],
    ],
    // OpenAI's reasoning models take tools together with reasoning only in Responses; a server that stands in for
    // OpenAI (OPENAI_BASE_URL) is more likely to have Chat Completions.
    dialectFor: (address, reasoning) =>
      reasoning && address?.replace(/\/+$/, '') === baseUrl ? 'openai-responses' : 'openai-chat',
    baseUrl,
    keyNames: ['OPENAI_API_KEY'],
    baseUrlNames: ['OPENAI_BASE_URL', 'OPENAI_API_BASE'],
  },
};
