import { expect, test } from 'vitest';
import { createConfig } from '../config.ts';
import { loadCatalogue } from './catalogue.ts';
import { createPricing } from './prices.ts';

const catalogue = loadCatalogue();
const costOf = createPricing(createConfig(), catalogue);
const usage = (input: number, output: number, cached = 0) => ({
  input_tokens: input,
  output_tokens: output,
  cache_read_input_tokens: cached,
  cache_creation_input_tokens: 0,
});

test("a price far below the catalogue's is not used", async () => {
  const listed = catalogue.providers.get('azure')?.model('deepseek-r1')?.prices;
  if (!listed) throw new Error('the catalogue has no price');
  const cost = await costOf('azure', 'deepseek-r1', usage(1_000_000, 100_000));
  expect(cost).toBeCloseTo(listed.input + listed.output / 10, 9);
});

test('no model of the catalogue is billed at less than 70 % of its price there', async () => {
  const cheap: string[] = [];
  for (const provider of catalogue.providers.values()) {
    for (const id of provider.modelIds()) {
      const prices = provider.model(id)?.prices;
      if (!prices) continue;
      const due = (1_000 * prices.input + 100 * prices.output) / 1e6;
      const cost = (await costOf(provider.id, id, usage(1_000, 100))) ?? 0;
      if (cost < 0.7 * due - 1e-12) cheap.push(`${provider.id}/${id}`);
    }
  }
  expect(cheap).toEqual([]);
});

test('a discount for cached input does not make a price suspect', async () => {
  // The catalogue has no price for this cache: by its prices, cached input would cost the whole 0.3.
  expect(catalogue.providers.get('minimax')?.model('MiniMax-M2')?.prices).toMatchObject({
    input: 0.3,
    cacheRead: undefined,
  });
  expect(await costOf('minimax', 'MiniMax-M2', usage(0, 0, 1_000_000))).toBeCloseTo(0.03, 9);
});
