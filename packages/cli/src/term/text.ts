/** Text on a grid of cells: how wide it is, where it breaks, and what of it is safe to show. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what this is about
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|.)?/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: see above
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
/** They change the order in which text is shown: a command could look like another one. */
const BIDI = /[\u202a-\u202e\u2066-\u2069\u200e\u200f]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence
const SGR = /\x1b\[([\d;]*)m/y;

/**
 * Makes foreign text (a model's, a tool's, a file name) safe for the terminal: without escape sequences and
 * control characters, with direction marks made visible. Keeps line breaks; tabs become spaces.
 */
export function sanitize(text: string): string {
  return text
    .replace(ESCAPES, '')
    .replace(/\r\n?/g, '\n')
    .replace(/\t/g, '    ')
    .replace(CONTROLS, '')
    .replace(BIDI, (mark) => `<U+${mark.charCodeAt(0).toString(16).toUpperCase()}>`);
}

/** One line of foreign text, whatever it held. */
export function oneLine(text: string): string {
  return sanitize(text).replace(/\s+/g, ' ').trim();
}

/** East Asian wide characters and the emoji that terminals draw two cells wide. */
function isWide(code: number): boolean {
  return (
    code >= 0x1100 &&
    (code <= 0x115f ||
      (code >= 0x2e80 && code <= 0x303e) ||
      (code >= 0x3041 && code <= 0x33ff) ||
      (code >= 0x3400 && code <= 0x4dbf) ||
      (code >= 0x4e00 && code <= 0xa4cf) ||
      (code >= 0xa960 && code <= 0xa97f) ||
      (code >= 0xac00 && code <= 0xd7a3) ||
      (code >= 0xf900 && code <= 0xfaff) ||
      (code >= 0xfe30 && code <= 0xfe6f) ||
      (code >= 0xff00 && code <= 0xff60) ||
      (code >= 0xffe0 && code <= 0xffe6) ||
      (code >= 0x1b000 && code <= 0x1b2ff) ||
      (code >= 0x20000 && code <= 0x3fffd))
  );
}

const EMOJI = /^\p{Emoji_Presentation}|^\p{Extended_Pictographic}\uFE0F/u;
const ZERO_WIDTH = /^[\p{Mark}\p{Cf}\p{Cc}]+$/u;
const ASCII = /^[\x20-\x7e]*$/;
let segmenter: Intl.Segmenter | undefined;

/** Splits text into what a reader takes for one character. */
export function graphemes(text: string): string[] {
  if (ASCII.test(text)) return text.split('');
  segmenter ??= new Intl.Segmenter(undefined, { granularity: 'grapheme' });
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

function graphemeWidth(grapheme: string): number {
  const code = grapheme.codePointAt(0) ?? 0;
  if (code < 0x7f) return code < 0x20 ? 0 : 1;
  if (ZERO_WIDTH.test(grapheme)) return 0;
  return isWide(code) || EMOJI.test(grapheme) ? 2 : 1;
}

/** How many cells the text takes; colours take none. */
export function stringWidth(text: string): number {
  const plain = text.includes('\x1b') ? text.replace(ESCAPES, '') : text;
  if (ASCII.test(plain)) return plain.length;
  return graphemes(plain).reduce((sum, grapheme) => sum + graphemeWidth(grapheme), 0);
}

/** One grapheme with its width, or a colour code, which has none. */
interface Cell {
  text: string;
  width: number;
  sgr?: string;
}

function cellsOf(line: string): Cell[] {
  const cells: Cell[] = [];
  let at = 0;
  while (at < line.length) {
    SGR.lastIndex = at;
    const code = SGR.exec(line);
    if (code) {
      cells.push({ text: code[0], width: 0, sgr: code[1] ?? '' });
      at = SGR.lastIndex;
      continue;
    }
    const next = line.indexOf('\x1b', at + 1);
    const stop = next === -1 ? line.length : next;
    for (const text of graphemes(line.slice(at, stop))) cells.push({ text, width: graphemeWidth(text) });
    at = stop;
  }
  return cells;
}

/** The styles in force at a point of the text: opening codes in order. */
type Active = string[];

const CLOSES: Record<string, RegExp> = {
  '22': /^[12]$/,
  '23': /^3$/,
  '24': /^4$/,
  '27': /^7$/,
  '29': /^9$/,
  '39': /^(3[0-8]|9\d)/,
  '49': /^(4[0-8]|10\d)/,
};

function applySgr(active: Active, code: string): Active {
  if (code === '' || code === '0') return [];
  const closes = CLOSES[code];
  return closes ? active.filter((open) => !closes.test(open)) : [...active, code];
}

/**
 * Breaks one line of (possibly coloured) text so that no piece is wider than `width`: after a space where there
 * is one, else inside the word. Colours are closed at each end and opened again; `hang` indents what follows.
 */
export function wrap(line: string, width: number, hang = ''): string[] {
  if (stringWidth(line) <= width) return [line];
  const indent = stringWidth(hang) < width / 2 ? hang : '';
  const cells = cellsOf(line);
  const rows: string[] = [];
  let active: Active = [];
  let start = 0;
  while (start < cells.length) {
    const end = rowEnd(cells, start, width - (rows.length > 0 ? stringWidth(indent) : 0));
    let row = (rows.length > 0 ? indent : '') + active.map((code) => `\x1b[${code}m`).join('');
    const last = end < cells.length ? withoutTrailingSpaces(cells, start, end) : end;
    for (let at = start; at < end; at += 1) {
      const cell = cells[at];
      if (cell === undefined) break;
      if (cell.sgr !== undefined) active = applySgr(active, cell.sgr);
      if (at < last || cell.sgr !== undefined) row += cell.text;
    }
    rows.push(active.length > 0 ? `${row}\x1b[0m` : row);
    start = end;
  }
  return rows;
}

/** The index after the last cell that goes on the row that begins at `start`. */
function rowEnd(cells: readonly Cell[], start: number, width: number): number {
  let used = 0;
  let afterSpace = start;
  for (let at = start; at < cells.length; at += 1) {
    const cell = cells[at];
    if (cell === undefined) break;
    used += cell.width;
    if (used > width && cell.text !== ' ') {
      if (afterSpace > start) return afterSpace;
      return Math.max(at, start + 1);
    }
    if (cell.text === ' ') afterSpace = at + 1;
  }
  return cells.length;
}

function withoutTrailingSpaces(cells: readonly Cell[], start: number, end: number): number {
  let last = end;
  while (last > start && cells[last - 1]?.text === ' ') last -= 1;
  return last;
}

/** The beginning of a line, at most `width` cells, with `…` where something is missing. */
export function truncate(line: string, width: number): string {
  if (stringWidth(line) <= width) return line;
  let row = '';
  let used = 0;
  let styled = false;
  for (const cell of cellsOf(line)) {
    used += cell.width;
    if (used > width - 1) break;
    row += cell.text;
    styled ||= cell.sgr !== undefined;
  }
  return width <= 0 ? '' : `${row}…${styled ? '\x1b[0m' : ''}`;
}

/** Wraps each line of a text. */
export function wrapText(text: string, width: number): string[] {
  return text.split('\n').flatMap((line) => wrap(line, width));
}
