import { once } from 'node:events';
import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { createLogStream } from './logging.ts';

test('a log that nobody reads is dropped beyond a megabyte, and says how much once it is read again', async () => {
  const read: string[] = [];
  let goOn: (() => void) | undefined;
  const stalled = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const out = new Writable({
    decodeStrings: false,
    write(chunk: string, _, done) {
      void stalled.then(() => {
        read.push(chunk);
        done();
      });
    },
  });
  const log = createLogStream(out);
  const line = `${JSON.stringify({ msg: 'x'.repeat(1000) })}\n`;
  for (let n = 0; n < 3000; n++) log.write(line);
  expect(out.writableLength).toBeLessThan(1_100_000);

  const drained = once(out, 'drain');
  goOn?.();
  await drained;
  await new Promise<void>((resolve) => out.end(resolve));
  const lines = read.map((each) => JSON.parse(each) as { msg: string; dropped?: number });
  const dropped = lines.at(-1)?.dropped ?? 0;
  expect(dropped).toBeGreaterThan(1000);
  expect(lines.length - 1 + dropped).toBe(3000);
  expect(lines.at(-1)?.msg).toContain(`dropped ${dropped} log lines`);
});

test('a reader that went away does not end the server', () => {
  const out = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) });
  const log = createLogStream(out);
  log.write('one\n');
  log.write('two\n');
});
