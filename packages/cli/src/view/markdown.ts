import type { MarkedToken, Token, Tokens } from 'marked';
import { lazily } from '../lazily.ts';
import type { Paint } from '../term/style.ts';
import { sanitize, stringWidth, wrap } from '../term/text.ts';
import { highlight } from './highlight.ts';
import { inlineText } from './inline.ts';
import { renderTable } from './table.ts';

/** 608 KB, loaded in 9 ms by the first text; 10 kB of Markdown are drawn in 4 ms. */
const marked = lazily<typeof import('marked')>('marked');

const RULE_WIDTH = 40;
/** Text narrower than this is not indented any further: deep lists stay readable. */
const MIN_WIDTH = 12;

/** Markdown as coloured lines for a terminal, none wider than `width`. Blank lines are as in the source. */
export function renderMarkdown(source: string, width: number, paint: Paint): string[] {
  const tokens = marked().lexer(sanitize(source).replace(/\n+$/, ''));
  return renderBlocks(tokens, { width, paint });
}

interface RenderOptions {
  width: number;
  paint: Paint;
}

function renderBlocks(tokens: readonly Token[], options: RenderOptions): string[] {
  return tokens.flatMap((token) => renderBlock(token as MarkedToken, options));
}

function renderBlock(token: MarkedToken, options: RenderOptions): string[] {
  const { width, paint } = options;
  switch (token.type) {
    case 'space':
      return [''];
    case 'code':
      return renderCode(token, options);
    case 'table':
      return renderTable(token, width, paint);
    case 'list':
      return renderList(token, options);
    case 'heading': {
      const title = paint.bold(inlineText(token.tokens, paint));
      return wrapLines(token.depth === 1 ? paint.underline(title) : title, width);
    }
    case 'hr':
      return [paint.dim('─'.repeat(Math.min(width, RULE_WIDTH)))];
    case 'blockquote': {
      const bar = `${paint.dim('│')} `;
      return indented(bar, bar, options, (inside) =>
        renderBlocks(token.tokens, inside).map((line) => (line === '' ? '' : paint.italic(line))),
      );
    }
    case 'paragraph':
    case 'text':
      return wrapLines(inlineText(token.tokens ?? [token], paint), width);
    case 'checkbox':
      // Drawn with the bullet.
      return [];
    default:
      // HTML, and definitions of links: shown as they were written.
      return wrapLines(token.raw.replace(/\n+$/, ''), width);
  }
}

function renderCode({ text, lang = '' }: Tokens.Code, { width, paint }: RenderOptions): string[] {
  if (text === '') return [];
  const language = /^[\w+#.-]*/.exec(lang)?.[0] ?? '';
  return highlight(text, language, paint).flatMap((line) => wrap(`  ${line}`, width, '  '));
}

function renderList({ items, ordered, start, raw }: Tokens.List, options: RenderOptions): string[] {
  const delimiter = /^\s*\d+\)/.test(raw) ? ')' : '.';
  return items.flatMap((item, index) => {
    const box = item.task ? (item.checked ? '☑ ' : '☐ ') : '';
    const bullet = (ordered ? `${Number(start) + index}${delimiter} ` : '• ') + box;
    const lines = indented(bullet, ' '.repeat(bullet.length), options, (inside) =>
      renderBlocks(item.tokens, inside),
    );
    return /\n[ \t]*\n$/.test(item.raw) ? [...lines, ''] : lines;
  });
}

/** Lines with something before the first and before the others, which they leave room for. */
function indented(
  first: string,
  others: string,
  { width, paint }: RenderOptions,
  render: (inside: RenderOptions) => string[],
): string[] {
  const inside = width - stringWidth(others);
  if (inside < MIN_WIDTH) return render({ width, paint });
  const lines = render({ width: inside, paint });
  if (lines.length === 0) return [first.trimEnd()];
  return lines.map((line, index) => `${index === 0 ? first : others}${line}`.trimEnd());
}

/** Wraps each line of a text that hard breaks have divided. */
function wrapLines(text: string, width: number): string[] {
  return text.split('\n').flatMap((line) => wrap(line.trim(), width));
}
