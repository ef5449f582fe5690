import type { Provider } from '../upstream/call.ts';
import type { AiSdkDialect, Dialect } from '../upstream/target.ts';

const aiSdk = (dialect: AiSdkDialect) => async (): Promise<Provider> =>
  (await import('./ai-sdk/index.ts')).createAiSdkProvider(dialect);

const loaders: Readonly<Record<Exclude<Dialect, 'demo'>, () => Promise<Provider>>> = {
  anthropic: async () => (await import('./anthropic/index.ts')).anthropic,
  'openai-chat': async () => (await import('./openai-chat/index.ts')).createOpenaiChat(),
  'openai-responses': async () => (await import('./openai-responses/index.ts')).createOpenaiResponses(),
  google: aiSdk('google'),
  'google-vertex': aiSdk('google-vertex'),
  'google-vertex-anthropic': aiSdk('google-vertex-anthropic'),
  'amazon-bedrock': aiSdk('amazon-bedrock'),
  cohere: aiSdk('cohere'),
};

/** Loads what a dialect needs when it is first used. */
export function createProviderLoader(demo: Provider | undefined): (dialect: Dialect) => Promise<Provider> {
  const loaded = new Map<Dialect, Promise<Provider>>();
  if (demo) loaded.set('demo', Promise.resolve(demo));
  return (dialect) => {
    let provider = loaded.get(dialect);
    if (!provider) {
      if (dialect === 'demo') throw new Error('the demo model is not part of this gateway');
      provider = loaders[dialect]();
      loaded.set(dialect, provider);
    }
    return provider;
  };
}
