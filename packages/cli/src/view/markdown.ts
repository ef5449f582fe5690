import type { Paint } from '../term/style.ts';
import { sanitize, stringWidth, truncate, wrap } from '../term/text.ts';
import { highlight } from './highlight.ts';

const FENCE = /^( {0,3})(`{3,}|~{3,})\s*([\w+#.-]*).*$/;
const HEADING = /^(#{1,6})\s+(.*?)\s*#*$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const RULE = /^ {0,3}(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,})$/;
const QUOTE = /^ {0,3}>\s?(.*)$/;
const TABLE_RULE = /^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;

/** Markdown as coloured lines for a terminal, none wider than `width`. Blank lines are as in the source. */
export function renderMarkdown(source: string, width: number, paint: Paint): string[] {
  const lines = sanitize(source).replace(/\n+$/, '').split('\n');
  const out: string[] = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at] ?? '';
    const fence = FENCE.exec(line);
    if (fence) {
      at = renderCode(lines, at, fence, out, width, paint);
    } else if (isTable(lines, at)) {
      at = renderTable(lines, at, out, width, paint);
    } else {
      at = renderLine(lines, at, out, width, paint);
    }
  }
  return out;
}

function renderCode(
  lines: readonly string[],
  from: number,
  fence: RegExpExecArray,
  out: string[],
  width: number,
  paint: Paint,
): number {
  const [, indent = '', mark = '```', language = ''] = fence;
  let at = from + 1;
  const code: string[] = [];
  while (at < lines.length && !isFenceEnd(lines[at] ?? '', mark)) {
    code.push((lines[at] ?? '').slice(leadingSpaces(lines[at] ?? '', indent.length)));
    at += 1;
  }
  for (const line of highlight(code.join('\n'), language, paint)) {
    if (code.length > 0) out.push(...wrap(`  ${line}`, width, '  '));
  }
  return at + 1;
}

function isFenceEnd(line: string, mark: string): boolean {
  const trimmed = line.trim();
  return trimmed.startsWith(mark) && trimmed.replaceAll(mark[0] ?? '`', '') === '';
}

function leadingSpaces(line: string, most: number): number {
  return Math.min(most, line.length - line.trimStart().length);
}

/** One line that is no code and no table; paragraphs are joined first, so that they fill the width. */
function renderLine(
  lines: readonly string[],
  at: number,
  out: string[],
  width: number,
  paint: Paint,
): number {
  const line = lines[at] ?? '';
  if (line.trim() === '') {
    if (out.at(-1) !== '') out.push('');
    return at + 1;
  }
  const heading = HEADING.exec(line);
  if (heading) {
    const title = inline(heading[2] ?? '', paint);
    const styled = heading[1] === '#' ? paint.underline(paint.bold(title)) : paint.bold(title);
    out.push(...wrap(styled, width));
    return at + 1;
  }
  if (RULE.test(line)) {
    out.push(paint.dim('─'.repeat(Math.min(width, 40))));
    return at + 1;
  }
  const quote = QUOTE.exec(line);
  if (quote) {
    const bar = `${paint.dim('│')} `;
    out.push(...wrap(bar + paint.italic(inline(quote[1] ?? '', paint)), width, bar));
    return at + 1;
  }
  const item = ITEM.exec(line);
  const [body, next] = paragraph(lines, at, item?.[3] ?? line.trim());
  if (item) {
    const depth = Math.min(6, Math.floor((item[1] ?? '').length / 2));
    const bullet = /\d/.test(item[2] ?? '') ? `${item[2]} ` : '• ';
    const lead = '  '.repeat(depth) + bullet;
    out.push(...wrap(lead + inline(taskBox(body), paint), width, ' '.repeat(lead.length)));
  } else {
    // An indented line below a list belongs to the list item.
    const lead = ' '.repeat(Math.min(8, leadingSpaces(line, 8)));
    out.push(...wrap(lead + inline(body, paint), width, lead));
  }
  return next;
}

function taskBox(text: string): string {
  return text.replace(/^\[( |x|X)\] /, (_, mark: string) => (mark === ' ' ? '☐ ' : '☑ '));
}

/** Joins the lines of a paragraph; a hard break (two spaces or a backslash at the end) ends it. */
function paragraph(lines: readonly string[], from: number, first: string): [text: string, next: number] {
  let text = first;
  let at = from + 1;
  while (at < lines.length && !isHardBreak(lines[at - 1] ?? '')) {
    const line = lines[at] ?? '';
    if (line.trim() === '' || FENCE.test(line) || HEADING.test(line) || ITEM.test(line)) break;
    if (QUOTE.test(line) || RULE.test(line) || isTable(lines, at)) break;
    text += ` ${line.trim()}`;
    at += 1;
  }
  return [text.replace(/\\$/, '').trimEnd(), at];
}

function isHardBreak(line: string): boolean {
  return /(?: {2,}|\\)$/.test(line);
}

function isTable(lines: readonly string[], at: number): boolean {
  return (
    (lines[at] ?? '').includes('|') && TABLE_RULE.test(lines[at + 1] ?? '') && /[|]/.test(lines[at + 1] ?? '')
  );
}

function cellsOf(line: string): string[] {
  return line
    .trim()
    .replace(/^\||(?<!\\)\|$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll('\\|', '|'));
}

function renderTable(
  lines: readonly string[],
  from: number,
  out: string[],
  width: number,
  paint: Paint,
): number {
  const head = cellsOf(lines[from] ?? '');
  const alignRight = cellsOf(lines[from + 1] ?? '').map((rule) => /^-+:$/.test(rule));
  const rows: string[][] = [];
  let at = from + 2;
  while (at < lines.length && (lines[at] ?? '').includes('|')) {
    rows.push(cellsOf(lines[at] ?? ''));
    at += 1;
  }
  const cells = [head, ...rows].map((row) => head.map((_, column) => inline(row[column] ?? '', paint)));
  const natural = head.map((_, column) => Math.max(...cells.map((row) => stringWidth(row[column] ?? '')), 1));
  const widths = fit(natural, width - 3 * (head.length - 1));
  for (const [index, row] of cells.entries()) {
    const styled = index === 0 ? row.map((cell) => paint.bold(cell)) : row;
    out.push(...tableRow(styled, widths, alignRight, paint));
    if (index === 0) out.push(paint.dim(widths.map((column) => '─'.repeat(column)).join('─┼─')));
  }
  return at;
}

/** A row of a table; long cells are broken into several lines. */
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
    if (width <= 4) break;
    widths[widest] = width - 1;
    sum -= 1;
  }
  return widths;
}

const INLINE =
  /(?<ticks>`+)(?<code>.+?)\k<ticks>(?!`)|\*\*(?<bold>\S(?:.*?\S)?)\*\*|__(?<bold2>\S(?:.*?\S)?)__(?!\w)|(?<![*\w])\*(?<italic>[^\s*](?:[^*]*[^\s*])?)\*(?!\*)|(?<!\w)_(?<italic2>[^\s_](?:[^_]*[^\s_])?)_(?!\w)|~~(?<strike>\S(?:.*?\S)?)~~|!?\[(?<label>[^\]]*)\]\((?<url>[^()\s]+)(?:\s+"[^"]*")?\)|\\(?<escaped>[\\`*_{}[\]()#+.!|~>-])/g;

/** Bold, italic, code, links and the like inside a line. */
function inline(text: string, paint: Paint): string {
  return text.replace(INLINE, (...match) => {
    const groups = match.at(-1) as Record<string, string | undefined>;
    if (groups.code !== undefined) return paint.cyan(groups.code.replace(/^ (.*) $/, '$1'));
    const bold = groups.bold ?? groups.bold2;
    if (bold !== undefined) return paint.bold(inline(bold, paint));
    const italic = groups.italic ?? groups.italic2;
    if (italic !== undefined) return paint.italic(inline(italic, paint));
    if (groups.strike !== undefined) return paint.strike(inline(groups.strike, paint));
    if (groups.url !== undefined) {
      const label = inline(groups.label ?? '', paint);
      const url = groups.url;
      return label === '' || label === url
        ? paint.underline(url)
        : `${paint.underline(label)} ${paint.dim(`(${url})`)}`;
    }
    return groups.escaped ?? '';
  });
}
