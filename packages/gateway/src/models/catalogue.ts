import { readFileSync } from 'node:fs';
import type { ModelFacts } from '../upstream/target.ts';

/** Prices in dollars for a million tokens. */
export interface Prices {
  input: number;
  output: number;
  cacheRead: number | undefined;
  cacheWrite: number | undefined;
  /** Higher prices for requests with more input than this. */
  tiers: { above: number; prices: Prices }[];
}

export interface CatalogueModel {
  id: string;
  facts: ModelFacts;
  released: string;
  deprecated: boolean;
  prices: Prices | undefined;
  npm: string | undefined;
  api: string | undefined;
}

export interface CatalogueProvider {
  id: string;
  name: string;
  npm: string;
  env: string[];
  api: string | undefined;
  modelIds(): string[];
  model(id: string): CatalogueModel | undefined;
}

export interface Catalogue {
  date: string;
  providers: ReadonlyMap<string, CatalogueProvider>;
  /** The provider of a bare model name; undefined when it is unknown. */
  providerOf(model: string): string | undefined;
}

type PriceRow = [number, number, number | null, number | null];
type Row = [
  number,
  number,
  string,
  string,
  PriceRow | null,
  { tiers?: number[][]; npm?: string; api?: string }?,
];
interface File {
  date: string;
  providers: Record<
    string,
    { name: string; npm?: string; env: string[]; api?: string; models: Record<string, Row> }
  >;
}

/** The providers that bare model names are looked up at, in this order: makers of models first, then hosts. */
const makers = [
  'anthropic',
  'openai',
  'google',
  'cohere',
  'mistral',
  'xai',
  'deepseek',
  'moonshotai',
  'minimax',
  'zai',
  'alibaba',
  'groq',
  'cerebras',
  'perplexity',
];

const families: [RegExp, string][] = [
  [/^claude-/, 'anthropic'],
  [/^(gpt-|o\d|chatgpt-|codex-)/, 'openai'],
  [/^gemini-/, 'google'],
  [/^command-/, 'cohere'],
  [/^(mistral-|magistral-|codestral-|devstral-|ministral-)/, 'mistral'],
  [/^grok-/, 'xai'],
  [/^deepseek-/, 'deepseek'],
  [/^kimi-/, 'moonshotai'],
];

function pricesOf(row: (number | null)[], tiers: number[][] = []): Prices {
  return {
    input: row[0] ?? 0,
    output: row[1] ?? 0,
    cacheRead: row[2] ?? undefined,
    cacheWrite: row[3] ?? undefined,
    tiers: tiers
      .map((tier) => ({ above: tier[0] ?? 0, prices: pricesOf(tier.slice(1)) }))
      .sort((a, b) => b.above - a.above),
  };
}

function modelOf(id: string, row: Row): CatalogueModel {
  const [context, output, abilities, released, prices, other] = row;
  return {
    id,
    released,
    deprecated: abilities.includes('d'),
    facts: {
      ...(context > 0 ? { context } : {}),
      ...(output > 0 ? { output } : {}),
      // Abilities that are not listed are unknown, not missing: some models take PDFs without being listed for it. The
      // provider refuses if need be, and the gateway learns that (providers/shared/media-lessons.ts).
      ...(abilities.includes('i') && { images: true }),
      ...(abilities.includes('p') && { pdf: true }),
      reasoning: abilities.includes('r'),
      echoReasoning: abilities.includes('c'),
    },
    prices: prices ? pricesOf(prices, other?.tiers) : undefined,
    npm: other?.npm,
    api: other?.api,
  };
}

/** Reads the snapshot of models.dev beside this file (17 ms, once). */
export function loadCatalogue(): Catalogue {
  const file = JSON.parse(readFileSync(new URL('./catalogue.json', import.meta.url), 'utf8')) as File;
  const providers = new Map<string, CatalogueProvider>();
  for (const [id, entry] of Object.entries(file.providers)) {
    providers.set(id, {
      id,
      name: entry.name,
      npm: entry.npm ?? '@ai-sdk/openai-compatible',
      env: entry.env,
      api: entry.api,
      modelIds: () => Object.keys(entry.models),
      model(model) {
        const row = Object.hasOwn(entry.models, model) ? entry.models[model] : undefined;
        return row ? modelOf(model, row) : undefined;
      },
    });
  }
  return {
    date: file.date,
    providers,
    providerOf(model) {
      const known = makers.find((id) => providers.get(id)?.model(model));
      return known ?? families.find(([pattern]) => pattern.test(model))?.[1];
    },
  };
}
