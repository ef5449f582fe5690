/** The known name closest to a wrong one: equal but for case and underscores, or at most two typos away. */
export function nearest(given: string, known: readonly string[]): string | undefined {
  // No typo is longer, and the distance costs the product of both lengths.
  if (given.length > 64) return undefined;
  const plain = (text: string): string => text.replaceAll(/[_-]/g, '').toLowerCase();
  const [best] = known
    .map((candidate) => ({ candidate, distance: distance(plain(given), plain(candidate)) }))
    .sort((a, b) => a.distance - b.distance);
  return best && best.distance <= Math.max(1, Math.floor(given.length / 4)) ? best.candidate : undefined;
}

/** The Levenshtein distance of two texts. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const changed = (row[j] ?? 0) + (letter === b[j] ? 0 : 1);
      next.push(Math.min(changed, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
