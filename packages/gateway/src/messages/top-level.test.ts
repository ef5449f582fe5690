import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { topLevelFields } from './top-level.ts';

const names = ['model', 'stream', 'metadata'] as const;

/** Objects with the wanted names, and texts that could be mistaken for structure. */
const tricky = fc.string({ unit: fc.constantFrom('"', '\\', '{', '}', '[', ']', ':', ',', ' ', 'm', 'ä') });
const value = fc.oneof(fc.jsonValue(), tricky, fc.array(tricky));
const entries = fc.array(fc.tuple(fc.oneof(fc.constantFrom(...names), fc.string(), tricky), value), {
  maxLength: 8,
});
const space = fc.string({ unit: fc.constantFrom(' ', '\n', '\r', '\t'), maxLength: 3 });

const write = (pairs: readonly (readonly [string, unknown])[], gap: string): string =>
  `${gap}{${gap}${pairs
    .map(([key, held]) => `${JSON.stringify(key)}${gap}:${gap}${JSON.stringify(held, null, gap)}${gap}`)
    .join(`,${gap}`)}}${gap}`;

describe('the top-level fields of a JSON object', () => {
  test('are those of JSON.parse, whatever the white space', () => {
    fc.assert(
      fc.property(entries, space, (pairs, gap) => {
        const text = write(pairs, gap);
        const parsed = JSON.parse(text) as Record<string, unknown>;
        const found = topLevelFields(text, names);
        if (!found) {
          // Left to JSON.parse: a name with an escape, and a duplicate name.
          const keys = pairs.map(([key]) => key);
          const escaped = keys.some((key) => JSON.stringify(key).includes('\\'));
          expect(escaped || names.some((name) => keys.indexOf(name) !== keys.lastIndexOf(name))).toBe(true);
          return;
        }
        for (const name of names) {
          const span = found[name];
          expect(span !== undefined).toBe(Object.hasOwn(parsed, name));
          if (span) expect(JSON.parse(text.slice(span.start, span.end))).toEqual(parsed[name]);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('are not found in a truncated text, or in anything but an object', () => {
    const text =
      '{"model": "m", "stream": true, "messages": [{"role": "user", "content": "{\\"model\\": 1}"}]}';
    for (let end = 0; end < text.length; end += 1) {
      expect(topLevelFields(text.slice(0, end), names)).toBeUndefined();
    }
    for (const other of [
      '',
      '[]',
      '"model"',
      'null',
      '{} x',
      '{"model" "m"}',
      '{"model":}',
      '{,}',
      '{a:1}',
    ]) {
      expect(topLevelFields(other, names)).toBeUndefined();
    }
  });

  test('never throw', () => {
    fc.assert(fc.property(fc.oneof(tricky, fc.string()), (text) => void topLevelFields(text, names)));
  });
});
