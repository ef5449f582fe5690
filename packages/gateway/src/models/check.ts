import type { ProviderRegistry } from './providers.ts';

/** Whether an upstream is this gateway itself: such a configuration would call itself for ever. */
export function findSelf(registry: ProviderRegistry, addresses: readonly string[]): string | undefined {
  const own = new Set(addresses.map((address) => normal(new URL(`http://${address}`))));
  for (const provider of registry.list()) {
    if (!provider.explicitUrl || !provider.baseUrl || !URL.canParse(provider.baseUrl)) continue;
    if (own.has(normal(new URL(provider.baseUrl)))) {
      return (
        `The upstream of ${provider.id} is ${provider.baseUrl}, which is this gateway itself: every request would ` +
        'call itself for ever. Unset the variable or the base_url that says so, or point it at the real provider.'
      );
    }
  }
  return undefined;
}

/** All the names of this machine are one. */
function normal(url: URL): string {
  const local = ['localhost', '127.0.0.1', '[::1]', '0.0.0.0', '[::]'].includes(url.hostname);
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return `${local ? 'localhost' : url.hostname}:${port}`;
}
