import type { Dialect, Provider } from './provider.ts';

const loaders: Readonly<Partial<Record<Dialect, () => Promise<Provider>>>> = {
  anthropic: async () => (await import('./anthropic/index.ts')).anthropic,
  'openai-chat': async () => (await import('./openai-chat/index.ts')).openaiChat,
};

/** Loads what a dialect needs when it is first used. */
export function createProviderLoader(demo: Provider | undefined): (dialect: Dialect) => Promise<Provider> {
  const loaded = new Map<Dialect, Promise<Provider>>();
  if (demo) loaded.set('demo', Promise.resolve(demo));
  return (dialect) => {
    let provider = loaded.get(dialect);
    if (!provider) {
      const load = loaders[dialect];
      if (!load) throw new Error(`nothing here speaks ${dialect}`);
      provider = load();
      loaded.set(dialect, provider);
    }
    return provider;
  };
}
