import type { Profiles } from './profile.ts';

/** Providers of Chat Completions with nothing special but address, variables and names. */
export const compatible: Profiles = {
  groq: { baseUrl: 'https://api.groq.com/openai/v1' },
  xai: { baseUrl: 'https://api.x.ai/v1', pricingName: 'x-ai' },
  cerebras: { baseUrl: 'https://api.cerebras.ai/v1' },
  deepinfra: { baseUrl: 'https://api.deepinfra.com/v1/openai' },
  nvidia: { aliases: ['nvidia_nim'], keyNames: ['NVIDIA_API_KEY', 'NVIDIA_NIM_API_KEY'] },
  perplexity: {
    baseUrl: 'https://api.perplexity.ai',
    keyNames: ['PERPLEXITY_API_KEY', 'PERPLEXITYAI_API_KEY'],
  },
  togetherai: {
    aliases: ['together', 'together_ai'],
    baseUrl: 'https://api.together.xyz/v1',
    keyNames: ['TOGETHER_API_KEY', 'TOGETHER_AI_API_KEY', 'TOGETHERAI_API_KEY'],
    pricingName: 'together',
  },
  'fireworks-ai': {
    aliases: ['fireworks', 'fireworks_ai'],
    keyNames: ['FIREWORKS_API_KEY', 'FIREWORKS_AI_API_KEY'],
    pricingName: 'fireworks',
  },
  vercel: {
    aliases: ['vercel_ai_gateway'],
    baseUrl: 'https://ai-gateway.vercel.sh/v1',
    keyNames: ['AI_GATEWAY_API_KEY'],
  },
  v0: { baseUrl: 'https://api.v0.dev/v1' },
  venice: { baseUrl: 'https://api.venice.ai/api/v1' },
  aihubmix: { baseUrl: 'https://aihubmix.com/v1' },
  lmstudio: {
    aliases: ['lm_studio'],
    baseUrl: 'http://127.0.0.1:1234/v1',
    keyNames: ['LMSTUDIO_API_KEY', 'LM_STUDIO_API_KEY'],
    baseUrlNames: ['LMSTUDIO_BASE_URL', 'LM_STUDIO_API_BASE'],
    keyless: true,
  },
  vllm: {
    name: 'vLLM',
    aliases: ['hosted_vllm'],
    dialect: 'openai-chat',
    baseUrl: 'http://127.0.0.1:8000/v1',
    keyNames: ['VLLM_API_KEY', 'HOSTED_VLLM_API_KEY'],
    baseUrlNames: ['VLLM_BASE_URL', 'HOSTED_VLLM_API_BASE'],
    keyless: true,
  },
  'llama.cpp': {
    name: 'llama.cpp',
    dialect: 'openai-chat',
    baseUrl: 'http://127.0.0.1:8080/v1',
    baseUrlNames: ['LLAMACPP_BASE_URL'],
    keyless: true,
  },
};
