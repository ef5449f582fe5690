import type { MarkedToken, Token } from 'marked';
import type { Paint } from '../term/style.ts';

/** Inline Markdown as coloured text; a hard line break is a line feed. */
export function inlineText(tokens: readonly Token[] | undefined, paint: Paint): string {
  return (tokens ?? []).map((token) => inline(token as MarkedToken, paint)).join('');
}

function inline(token: MarkedToken, paint: Paint): string {
  switch (token.type) {
    case 'strong':
      return paint.bold(inlineText(token.tokens, paint));
    case 'em':
      return paint.italic(inlineText(token.tokens, paint));
    case 'del':
      return paint.strikethrough(inlineText(token.tokens, paint));
    case 'codespan':
      return paint.cyan(joinLines(token.text));
    case 'br':
      return '\n';
    case 'link':
      return link(inlineText(token.tokens, paint), token, paint);
    case 'image':
      return link(joinLines(token.text), token, paint);
    case 'checkbox':
      // Drawn with the bullet.
      return '';
    case 'text':
      return token.tokens ? inlineText(token.tokens, paint) : joinLines(token.text);
    case 'escape':
      return token.text;
    default:
      // HTML and the like: shown as it was written.
      return joinLines(token.raw);
  }
}

/** A label with its address, which the reader should see before following it. */
function link(
  label: string,
  { href, raw, text }: { href: string; raw: string; text: string },
  paint: Paint,
): string {
  const isAddress = raw === text || raw === `<${text}>` || text === href;
  if (isAddress || label === '') return paint.underline(isAddress ? text : href);
  return `${paint.underline(label)} ${paint.dim(`(${href})`)}`;
}

/** Lines of a paragraph are joined, so that they fill the width. */
function joinLines(text: string): string {
  return text.replace(/ *\n */g, ' ');
}
