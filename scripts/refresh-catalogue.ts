// Takes a fresh snapshot of the models.dev catalogue (MIT licence) into packages/gateway.
//
//   node scripts/refresh-catalogue.ts                      from https://models.dev/api.json
//   node scripts/refresh-catalogue.ts --from api.json      from a file of the same shape
//
// The full catalogue is 5 MB; the gateway needs limits, prices and abilities, so each model becomes one short row.
// One row a line keeps the diff of a refresh readable.
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';

const url = 'https://models.dev/api.json';
const output = new URL('../packages/gateway/src/models/catalogue.json', import.meta.url);

interface SourceCost {
  input?: number;
  output?: number;
  cache_read?: number;
  cache_write?: number;
  tiers?: (SourceCost & { tier?: { type?: string; size?: number } })[];
}
interface SourceModel {
  id: string;
  reasoning?: boolean;
  tool_call?: boolean;
  structured_output?: boolean;
  temperature?: boolean;
  release_date?: string;
  last_updated?: string;
  status?: string;
  modalities?: { input?: string[]; output?: string[] };
  limit?: { context?: number; output?: number };
  interleaved?: boolean | { field?: string };
  cost?: SourceCost;
  provider?: { npm?: string; api?: string };
}
interface SourceProvider {
  id: string;
  name: string;
  npm?: string;
  env?: string[];
  api?: string;
  doc?: string;
  models: Record<string, SourceModel>;
}

/** What a model can do, one letter each; read by packages/gateway/src/models/catalogue.ts. */
function abilities(model: SourceModel): string {
  const input = model.modalities?.input ?? [];
  const reasoningContent =
    typeof model.interleaved === 'object' && model.interleaved.field === 'reasoning_content';
  return [
    input.includes('image') && 'i',
    input.includes('pdf') && 'p',
    model.reasoning && 'r',
    model.tool_call && 't',
    model.structured_output && 'j',
    model.temperature && 'k',
    reasoningContent && 'c',
    model.status === 'deprecated' && 'd',
  ]
    .filter(Boolean)
    .join('');
}

function prices(cost: SourceCost | undefined): (number | null)[] | null {
  if (cost?.input === undefined || cost.output === undefined) return null;
  return [cost.input, cost.output, cost.cache_read ?? null, cost.cache_write ?? null];
}

function row(model: SourceModel, provider: SourceProvider): unknown[] {
  const tiers = (model.cost?.tiers ?? [])
    .filter((tier) => tier.tier?.type === 'context' && tier.tier.size !== undefined)
    .map((tier) => [tier.tier?.size, ...(prices(tier) ?? [])]);
  const other: Record<string, unknown> = {};
  if (tiers.length > 0) other.tiers = tiers;
  if (model.provider?.npm && model.provider.npm !== provider.npm) other.npm = model.provider.npm;
  if (model.provider?.api && model.provider.api !== provider.api) other.api = model.provider.api;
  const cells = [
    model.limit?.context ?? 0,
    model.limit?.output ?? 0,
    abilities(model),
    model.release_date ?? '',
    prices(model.cost),
  ];
  return Object.keys(other).length > 0 ? [...cells, other] : cells;
}

const { values } = parseArgs({ options: { from: { type: 'string' }, date: { type: 'string' } } });
const text = values.from
  ? await readFile(values.from, 'utf8')
  : await fetch(url).then((response) => {
      if (!response.ok) throw new Error(`${url} answered ${response.status}`);
      return response.text();
    });
const source = JSON.parse(text) as Record<string, SourceProvider>;

const lines: string[] = [];
let models = 0;
for (const id of Object.keys(source).sort()) {
  const provider = source[id];
  if (!provider) continue;
  const rows = Object.values(provider.models)
    .filter((model) => model.modalities?.output?.includes('text') ?? true)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((model) => `${JSON.stringify(model.id)}:${JSON.stringify(row(model, provider))}`);
  models += rows.length;
  const head = { name: provider.name, npm: provider.npm, env: provider.env ?? [], api: provider.api };
  lines.push(
    `${JSON.stringify(id)}:{${JSON.stringify(head).slice(1, -1)},"models":{\n${rows.join(',\n')}\n}}`,
  );
}
const date = values.date ?? new Date().toISOString().slice(0, 10);
const head = `"source":${JSON.stringify(url)},"license":"MIT","date":${JSON.stringify(date)}`;
await writeFile(output, `{${head},"providers":{\n${lines.join(',\n')}\n}}\n`);
console.log(`${lines.length} providers, ${models} models, ${date}`);
