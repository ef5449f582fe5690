import type { Dialect } from '../upstream/target.ts';

/** What the catalogue does not say about a provider: where it is, and what its variables are called elsewhere too. */
export interface KnownProvider {
  name?: string;
  dialect?: Dialect;
  baseUrl?: string;
  /** Variables for the key, the provider's own first, then LiteLLM's. */
  keyEnv?: string[];
  baseUrlEnv?: string[];
  /** Works without a key: it runs on the user's own machine, or finds its credentials itself. */
  keyless?: boolean;
  /** Parameters that it refuses. */
  refuses?: string[];
}

export const knownProviders: Readonly<Record<string, KnownProvider>> = {
  anthropic: {
    dialect: 'anthropic',
    baseUrl: 'https://api.anthropic.com',
    keyEnv: ['ANTHROPIC_API_KEY'],
    baseUrlEnv: ['ANTHROPIC_BASE_URL', 'ANTHROPIC_API_BASE'],
  },
  openai: {
    baseUrl: 'https://api.openai.com/v1',
    keyEnv: ['OPENAI_API_KEY'],
    baseUrlEnv: ['OPENAI_BASE_URL', 'OPENAI_API_BASE'],
  },
  azure: {
    dialect: 'openai-chat',
    keyEnv: ['AZURE_API_KEY', 'AZURE_OPENAI_API_KEY'],
    baseUrlEnv: ['AZURE_OPENAI_ENDPOINT', 'AZURE_API_BASE'],
  },
  cohere: {
    dialect: 'cohere',
    baseUrl: 'https://api.cohere.com/v2',
    keyEnv: ['COHERE_API_KEY', 'CO_API_KEY'],
    baseUrlEnv: ['COHERE_BASE_URL', 'COHERE_API_BASE'],
  },
  google: {
    dialect: 'google',
    baseUrl: 'https://generativelanguage.googleapis.com/v1beta',
    keyEnv: ['GOOGLE_GENERATIVE_AI_API_KEY', 'GEMINI_API_KEY', 'GOOGLE_API_KEY'],
    baseUrlEnv: ['GOOGLE_GENERATIVE_AI_BASE_URL', 'GEMINI_API_BASE'],
  },
  'google-vertex': { dialect: 'google-vertex', keyEnv: ['GOOGLE_VERTEX_API_KEY'], keyless: true },
  'google-vertex-anthropic': { dialect: 'google-vertex-anthropic', keyless: true },
  'amazon-bedrock': {
    dialect: 'amazon-bedrock',
    keyEnv: ['AWS_BEARER_TOKEN_BEDROCK'],
    baseUrlEnv: ['AWS_ENDPOINT_URL_BEDROCK_RUNTIME', 'AWS_BEDROCK_RUNTIME_ENDPOINT'],
    keyless: true,
  },
  mistral: { baseUrl: 'https://api.mistral.ai/v1', refuses: ['stream_options'] },
  groq: { baseUrl: 'https://api.groq.com/openai/v1' },
  xai: { baseUrl: 'https://api.x.ai/v1' },
  cerebras: { baseUrl: 'https://api.cerebras.ai/v1' },
  deepinfra: { baseUrl: 'https://api.deepinfra.com/v1/openai' },
  nvidia: { keyEnv: ['NVIDIA_API_KEY', 'NVIDIA_NIM_API_KEY'] },
  perplexity: {
    baseUrl: 'https://api.perplexity.ai',
    keyEnv: ['PERPLEXITY_API_KEY', 'PERPLEXITYAI_API_KEY'],
  },
  togetherai: {
    baseUrl: 'https://api.together.xyz/v1',
    keyEnv: ['TOGETHER_API_KEY', 'TOGETHER_AI_API_KEY', 'TOGETHERAI_API_KEY'],
  },
  'fireworks-ai': { keyEnv: ['FIREWORKS_API_KEY', 'FIREWORKS_AI_API_KEY'] },
  vercel: { baseUrl: 'https://ai-gateway.vercel.sh/v1', keyEnv: ['AI_GATEWAY_API_KEY'] },
  v0: { baseUrl: 'https://api.v0.dev/v1' },
  venice: { baseUrl: 'https://api.venice.ai/api/v1' },
  aihubmix: { baseUrl: 'https://aihubmix.com/v1' },
  ollama: {
    name: 'Ollama',
    dialect: 'anthropic',
    baseUrl: 'http://127.0.0.1:11434',
    keyEnv: ['OLLAMA_API_KEY'],
    baseUrlEnv: ['OLLAMA_BASE_URL', 'OLLAMA_API_BASE', 'OLLAMA_HOST'],
    keyless: true,
  },
  lmstudio: {
    baseUrl: 'http://127.0.0.1:1234/v1',
    keyEnv: ['LMSTUDIO_API_KEY', 'LM_STUDIO_API_KEY'],
    baseUrlEnv: ['LMSTUDIO_BASE_URL', 'LM_STUDIO_API_BASE'],
    keyless: true,
  },
  vllm: {
    name: 'vLLM',
    dialect: 'openai-chat',
    baseUrl: 'http://127.0.0.1:8000/v1',
    keyEnv: ['VLLM_API_KEY', 'HOSTED_VLLM_API_KEY'],
    baseUrlEnv: ['VLLM_BASE_URL', 'HOSTED_VLLM_API_BASE'],
    keyless: true,
  },
  'llama.cpp': {
    name: 'llama.cpp',
    dialect: 'openai-chat',
    baseUrl: 'http://127.0.0.1:8080/v1',
    baseUrlEnv: ['LLAMACPP_BASE_URL'],
    keyless: true,
  },
};

/** Other names for a provider, mostly LiteLLM's, so that model names can be taken over as they are. */
export const providerAliases: Readonly<Record<string, string>> = {
  azure_ai: 'azure',
  bedrock: 'amazon-bedrock',
  bedrock_converse: 'amazon-bedrock',
  codestral: 'mistral',
  cohere_chat: 'cohere',
  dashscope: 'alibaba',
  fireworks: 'fireworks-ai',
  fireworks_ai: 'fireworks-ai',
  friendliai: 'friendli',
  gemini: 'google',
  github_copilot: 'github-copilot',
  hosted_vllm: 'vllm',
  lm_studio: 'lmstudio',
  moonshot: 'moonshotai',
  novita: 'novita-ai',
  nvidia_nim: 'nvidia',
  ollama_chat: 'ollama',
  together: 'togetherai',
  together_ai: 'togetherai',
  vertex: 'google-vertex',
  vercel_ai_gateway: 'vercel',
  vertex_ai: 'google-vertex',
};

/** The protocol behind each of the AI SDK's packages that the catalogue names. */
export const dialectOfPackage: Readonly<Record<string, Dialect>> = {
  '@ai-sdk/anthropic': 'anthropic',
  '@ai-sdk/openai': 'openai-responses',
  '@ai-sdk/cohere': 'cohere',
  '@ai-sdk/google': 'google',
  '@ai-sdk/google-vertex': 'google-vertex',
  '@ai-sdk/google-vertex/anthropic': 'google-vertex-anthropic',
  '@ai-sdk/amazon-bedrock': 'amazon-bedrock',
  // Chat Completions at an address of its own.
  '@ai-sdk/amazon-bedrock/mantle': 'openai-chat',
  '@ai-sdk/openai-compatible': 'openai-chat',
};
