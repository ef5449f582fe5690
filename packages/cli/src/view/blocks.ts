/** Where a growing Markdown text can be cut so that what is before the cut will not change any more. */

const FENCE = /^ {0,3}(`{3,}|~{3,})(.*)$/;
const HEADING = /^#{1,6} /;
const ITEM = /^(?:[-*+]|\d{1,9}[.)]) +\S/;
/** Lines of an open code block that are kept back, so that short blocks appear whole. */
const CODE_LINES = 12;

export interface Cut {
  finished: string;
  /** What goes on, with `prefix` before it. */
  rest: string;
  prefix: string;
}

/** Cuts finished blocks off the beginning; undefined when there is none yet. */
export function takeFinished(text: string): Cut | undefined {
  let cut = 0;
  let fence: { mark: string; opening: string; start: number; lines: number } | undefined;
  let at = 0;
  /** What is indented below a list item belongs to it, also after blank lines: cut before the next item, or after the list. */
  let list: 'none' | 'open' | 'after blank line' = 'none';
  while (at < text.length) {
    const newline = text.indexOf('\n', at);
    const complete = newline !== -1;
    const line = complete ? text.slice(at, newline) : text.slice(at);
    const after = complete ? newline + 1 : text.length;
    const mark = FENCE.exec(line);
    if (fence) {
      if (complete && mark?.[1]?.startsWith(fence.mark) && mark[2]?.trim() === '') {
        fence = undefined;
        cut = after;
      } else if (complete) {
        fence.lines += 1;
      }
    } else if (mark?.[1] !== undefined) {
      if (!complete) break;
      fence = { mark: mark[1], opening: line, start: after, lines: 0 };
    } else if (line.trim() === '') {
      if (list !== 'none') list = 'after blank line';
      else if (complete && at > 0) cut = after;
    } else if (ITEM.test(line)) {
      cut = Math.max(cut, at);
      list = 'open';
    } else if (list === 'after blank line' && !/^\s/.test(line)) {
      cut = Math.max(cut, at);
      list = 'none';
    }
    if (!fence && complete && HEADING.test(line)) {
      cut = after;
      list = 'none';
    }
    at = after;
  }
  if (fence && fence.lines > CODE_LINES) {
    const end = text.lastIndexOf('\n') + 1;
    const prefix = `${fence.opening}\n`;
    return { finished: `${text.slice(0, end)}${fence.mark}`, rest: prefix + text.slice(end), prefix };
  }
  if (text.slice(0, cut).trim() === '') return undefined;
  return { finished: text.slice(0, cut), rest: text.slice(cut), prefix: '' };
}
