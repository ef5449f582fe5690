import type { Profiles } from './profile.ts';

export const ollama: Profiles = {
  ollama: {
    name: 'Ollama',
    aliases: ['ollama_chat'],
    dialect: 'anthropic',
    baseUrl: 'http://127.0.0.1:11434',
    keyNames: ['OLLAMA_API_KEY'],
    baseUrlNames: ['OLLAMA_BASE_URL', 'OLLAMA_API_BASE', 'OLLAMA_HOST'],
    keyless: true,
    // OLLAMA_HOST may be a bare host and port.
    address: (given) => ({ baseUrl: given?.includes('://') === false ? `http://${given}` : given }),
  },
};
