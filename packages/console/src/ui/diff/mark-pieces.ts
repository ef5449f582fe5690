import type { ColouredText } from '../code/highlight.ts';

/** The pieces of a line, cut where a mark begins or ends. */
export function markPieces(
  pieces: readonly ColouredText[],
  marks: readonly (readonly [from: number, to: number])[],
): (ColouredText & { isMarked: boolean })[] {
  let start = 0;
  return pieces.flatMap(({ text, color }) => {
    const [from, to] = [start, start + text.length];
    start = to;
    const cuts = [...new Set([from, to, ...marks.flat().filter((cut) => cut > from && cut < to)])].sort(
      (a, b) => a - b,
    );
    return cuts.slice(0, -1).map((cut, index) => ({
      text: text.slice(cut - from, (cuts[index + 1] ?? to) - from),
      color,
      isMarked: marks.some(([begin, end]) => cut >= begin && cut < end),
    }));
  });
}
