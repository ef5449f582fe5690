import type { GatewayConfig } from '../config.ts';
import type { Usage } from '../messages/types.ts';
import type { Catalogue, Prices } from './catalogue.ts';

/** Our provider ids in the words of @pydantic/genai-prices, where they differ. */
const otherNames: Readonly<Record<string, string>> = {
  'amazon-bedrock': 'aws',
  'fireworks-ai': 'fireworks',
  'google-vertex': 'google',
  'google-vertex-anthropic': 'google',
  togetherai: 'together',
  xai: 'x-ai',
};

/**
 * What a request cost in dollars: the configuration's price, else @pydantic/genai-prices, else the catalogue;
 * undefined when nobody knows.
 */
export type CostOf = (provider: string, model: string, usage: Usage) => Promise<number | undefined>;

export function createPricing(config: GatewayConfig, catalogue: Catalogue): CostOf {
  return async (provider, model, usage) => {
    const own = config.providers[provider]?.models?.[model]?.prices;
    if (own) {
      return byPrices(
        {
          input: own.input,
          output: own.output,
          cacheRead: own.cache_read,
          cacheWrite: own.cache_write,
          tiers: [],
        },
        usage,
      );
    }
    // 2 MB of data: loaded with the first answer that has to be priced.
    const { calcPrice } = await import('@pydantic/genai-prices');
    const price = calcPrice(
      {
        input_tokens: usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens,
        cache_read_tokens: usage.cache_read_input_tokens,
        cache_write_tokens: usage.cache_creation_input_tokens,
        output_tokens: usage.output_tokens,
      },
      model,
      { providerId: otherNames[provider] ?? provider },
    );
    if (price) return price.total_price;
    const prices = catalogue.providers.get(provider)?.model(model)?.prices;
    return prices ? byPrices(prices, usage) : undefined;
  };
}

function byPrices(prices: Prices, usage: Usage): number {
  const input = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens;
  const held = prices.tiers.find((tier) => input > tier.above)?.prices ?? prices;
  return (
    (usage.input_tokens * held.input +
      usage.cache_read_input_tokens * (held.cacheRead ?? held.input) +
      usage.cache_creation_input_tokens * (held.cacheWrite ?? held.input) +
      usage.output_tokens * held.output) /
    1_000_000
  );
}
