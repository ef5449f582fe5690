import type { GatewayConfig } from '../config.ts';
import type { Usage } from '../messages/types.ts';
import { baseModelOf } from './base-model.ts';
import type { Catalogue, Prices } from './catalogue.ts';
import { profileOf } from './profiles/index.ts';

/**
 * Below this share of the catalogue's price, genai-prices is assumed to be wrong. For 53 of the 778 models in both it
 * is more than 30 % lower: it has the price of another provider (`azure/deepseek-r1`: DeepSeek's own 0.55 instead of
 * Azure's 1.35) or an old one. A budget must not count too little, so the catalogue's price is used then.
 */
const soundShare = 0.7;

/**
 * The cost of a request in dollars, by the first of: the configuration's price, @pydantic/genai-prices (unless it is
 * far below the catalogue), the catalogue. Undefined when the price is unknown.
 */
export type CostOf = (provider: string, model: string, usage: Usage) => Promise<number | undefined>;

export function createPricing(config: GatewayConfig, catalogue: Catalogue): CostOf {
  return async (provider, name, usage) => {
    const own = config.providers[provider]?.models?.[name]?.prices;
    const model = baseModelOf(config, provider, name);
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
    // 2 MB of data, loaded when the first answer is priced.
    const { calcPrice } = await import('@pydantic/genai-prices');
    const ask = (used: Usage) =>
      calcPrice(
        {
          input_tokens: inputOf(used),
          cache_read_tokens: used.cache_read_input_tokens,
          cache_write_tokens: used.cache_creation_input_tokens,
          output_tokens: used.output_tokens,
        },
        model,
        { providerId: profileOf(provider).pricingName ?? provider },
      )?.total_price;
    const price = ask(usage);
    const listed = catalogue.providers.get(provider)?.model(model)?.prices;
    if (price === undefined || listed === undefined) return price ?? (listed && byPrices(listed, usage));
    const plain = uncached(usage);
    // A look-up costs 30 µs; most requests without a cache need only one.
    const quoted = plain.input_tokens === usage.input_tokens ? price : (ask(plain) ?? 0);
    return quoted < soundShare * byPrices(listed, plain) ? byPrices(listed, usage) : price;
  };
}

/** Priced with few tokens: a long request may cost more a token. */
const SAMPLE = 1_000;

/** Dollars for a million tokens at the first upstream of a model; undefined when unknown, or the name is not served. */
export async function priceOf(
  resolve: (name: string) => { targets: readonly { provider: string; model: string }[] },
  costOf: CostOf,
  name: string,
): Promise<{ input: number; output: number } | undefined> {
  let target: { provider: string; model: string } | undefined;
  try {
    [target] = resolve(name).targets;
  } catch {
    return undefined;
  }
  if (!target) return undefined;
  const none = { cache_read_input_tokens: 0, cache_creation_input_tokens: 0 };
  const [input, output] = await Promise.all([
    costOf(target.provider, target.model, { input_tokens: SAMPLE, output_tokens: 0, ...none }),
    costOf(target.provider, target.model, { input_tokens: 0, output_tokens: SAMPLE, ...none }),
  ]);
  if (input === undefined || output === undefined) return undefined;
  const perMillion = (cost: number): number => Math.round((cost / SAMPLE) * 1e12) / 1e6;
  return { input: perMillion(input), output: perMillion(output) };
}

const inputOf = (usage: Usage) =>
  usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens;

/** The same tokens without a cache: many entries of the catalogue have no cache prices. */
function uncached(usage: Usage): Usage {
  return {
    ...usage,
    input_tokens: inputOf(usage),
    cache_read_input_tokens: 0,
    cache_creation_input_tokens: 0,
  };
}

function byPrices(prices: Prices, usage: Usage): number {
  const input = inputOf(usage);
  const held = prices.tiers.find((tier) => input > tier.above)?.prices ?? prices;
  return (
    (usage.input_tokens * held.input +
      usage.cache_read_input_tokens * (held.cacheRead ?? held.input) +
      usage.cache_creation_input_tokens * (held.cacheWrite ?? held.input) +
      usage.output_tokens * held.output) /
    1_000_000
  );
}
