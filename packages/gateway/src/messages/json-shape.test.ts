import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createJsonShape } from './json-shape.ts';

const object = fc.oneof(
  fc.dictionary(fc.string(), fc.jsonValue()),
  fc.dictionary(fc.string({ unit: fc.constantFrom('"', '\\', '{', '}', '[', ']') }), fc.jsonValue()),
);

test('an object is closed by its last brace and not before, however it is cut', () => {
  fc.assert(
    fc.property(object, fc.nat({ max: 4 }), fc.array(fc.nat()), (value, spaces, cuts) => {
      const text = ` ${JSON.stringify(value, null, spaces)}`;
      const shape = createJsonShape();
      const at = [...new Set(cuts.map((cut) => cut % text.length))].sort((a, b) => a - b);
      let from = 0;
      for (const to of [...at, text.length - 1]) {
        shape.push(text.slice(from, to));
        from = to;
        expect(shape.closed()).toBe(false);
      }
      shape.push(text.slice(from));
      expect(shape.closed()).toBe(true);
      expect(shape.begins()).toBe('object');
      shape.push(' \n}');
      expect(shape.closed()).toBe(true);
    }),
  );
});

test('anything but an object is never closed', () => {
  for (const text of ['', ' ', 'null', '"{}"', '[{}]', '7 {}', '}']) {
    const shape = createJsonShape();
    shape.push(text);
    expect(shape.closed()).toBe(false);
    expect(shape.begins()).toBe(text.trim() === '' ? undefined : 'other');
  }
});
