import fc from 'fast-check';

/** Places at which a text of a property test is cut. */
export const cuts = fc.array(fc.nat(80), { maxLength: 20 });

/** The same bytes, cut at the given places. */
export function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => Math.min(place, bytes.length)))].sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}
