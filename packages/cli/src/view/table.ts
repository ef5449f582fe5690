import type { Tokens } from 'marked';
import type { Paint } from '../term/style.ts';
import { stringWidth, truncate, wrap } from '../term/text.ts';
import { inlineText } from './inline.ts';

const MIN_COLUMN = 4;

/** A Markdown table with aligned columns; long cells are broken into several lines. */
export function renderTable({ header, rows }: Tokens.Table, width: number, paint: Paint): string[] {
  const alignRight = header.map(({ align }) => align === 'right');
  const cells = [header, ...rows].map((row) =>
    row.map(({ tokens }) => inlineText(tokens, paint).replaceAll('\n', ' ')),
  );
  const natural = header.map((_, column) =>
    Math.max(...cells.map((row) => stringWidth(row[column] ?? '')), 1),
  );
  const widths = fit(natural, width - 3 * (header.length - 1));
  return cells
    .flatMap((row, index) => {
      const styled = index === 0 ? row.map(paint.bold) : row;
      const lines = tableRow(styled, widths, alignRight, paint);
      if (index === 0) lines.push(paint.dim(widths.map((column) => '─'.repeat(column)).join('─┼─')));
      return lines;
    })
    .map((line) => truncate(line, width));
}

function tableRow(
  cells: readonly string[],
  widths: readonly number[],
  alignRight: readonly boolean[],
  paint: Paint,
): string[] {
  const wrapped = cells.map((cell, column) => wrap(cell, widths[column] ?? 1));
  const height = Math.max(...wrapped.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) =>
    wrapped
      .map((lines, column) => {
        const text = truncate(lines[line] ?? '', widths[column] ?? 1);
        const gap = ' '.repeat(Math.max(0, (widths[column] ?? 1) - stringWidth(text)));
        return alignRight[column] ? gap + text : text + gap;
      })
      .join(paint.dim(' │ '))
      .trimEnd(),
  );
}

/** Takes width from the widest columns until the table fits. */
function fit(natural: readonly number[], room: number): number[] {
  const widths = [...natural];
  let sum = widths.reduce((total, width) => total + width, 0);
  while (sum > room) {
    const widest = widths.indexOf(Math.max(...widths));
    const width = widths[widest] ?? 0;
    if (width <= MIN_COLUMN) break;
    widths[widest] = width - 1;
    sum -= 1;
  }
  return widths;
}
