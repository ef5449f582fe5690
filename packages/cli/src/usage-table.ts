import type { ModelUsage, Usage } from 'claude-agent-protocol';
import type { Paint } from './term/style.ts';
import { oneLine } from './term/text.ts';
import { amount, tokens } from './view/numbers.ts';

/** Tokens and cost by model, and their sum. */
export function usageLines(usage: Usage, paint: Paint): string[] {
  const rows = Object.entries(usage.by_model).map(([model, used]) => row(oneLine(model), used));
  const head = ['Model', 'Input', 'Output', 'Cache read', 'Cache write', 'Cost'];
  const sum = row(`All (${usage.turns} ${usage.turns === 1 ? 'turn' : 'turns'})`, usage);
  const all = [head, ...rows, sum];
  const widths = head.map((_, column) => Math.max(...all.map((cells) => cells[column]?.length ?? 0)));
  return all.map((cells, index) => {
    const line = cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ');
    return `  ${index === 0 || index === all.length - 1 ? paint.bold(line) : line}`;
  });
}

function row(name: string, used: ModelUsage): string[] {
  return [
    name,
    tokens(used.input_tokens),
    tokens(used.output_tokens),
    tokens(used.cache_read_input_tokens),
    tokens(used.cache_creation_input_tokens),
    amount(used.cost_usd),
  ];
}
