import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutAt, cuts } from '../testing/cut.ts';
import { createEventBytes } from './event-bytes.ts';
import { createMeter } from './meter.ts';

test('events are passed on whole and nothing is lost, however the bytes are cut', () => {
  const events = fc.array(
    fc.tuple(
      fc.constantFrom('event: ping\ndata: {}', 'data: {"x":"ä👋"}', ': c'),
      fc.constantFrom('\n\n', '\r\n\r\n'),
    ),
    { minLength: 1, maxLength: 8 },
  );
  fc.assert(
    fc.property(events, cuts, (list, at) => {
      const whole = list.flat().join('');
      const reader = createEventBytes(createMeter());
      const passed = cutAt(Buffer.from(whole), at).flatMap((chunk) => reader.push(chunk) ?? []);
      expect(Buffer.concat(passed).toString()).toBe(whole);
      for (const chunk of passed) expect(chunk.toString()).toMatch(/\n\r?\n$/);
    }),
  );
});
