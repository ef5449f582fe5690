import type { Writable } from 'node:stream';

/** The part of the log that is buffered for a slow reader. */
const MAX_BUFFERED_BYTES = 1024 * 1024;

/**
 * A log stream that never blocks the server. Its reader may stall (a pager, a full pipe, a hanging collector); then
 * lines are dropped, and the log says how many as soon as it is read again.
 */
export function createLogStream(out: Writable): { write(line: string): void } {
  let dropped = 0;
  const tellDropped = (): void => {
    if (dropped === 0) return;
    const msg = `dropped ${dropped} log lines here: the reader was too slow`;
    const line = { level: 40, time: Date.now(), pid: process.pid, dropped, msg };
    dropped = 0;
    out.write(`${JSON.stringify(line)}\n`);
  };
  // The reader is gone for good: the server continues without it.
  out.on('error', () => undefined);
  out.on('drain', tellDropped);
  return {
    write(line) {
      // Measured: Node writes what the pipe accepts and buffers the rest without blocking.
      if (out.writableLength > MAX_BUFFERED_BYTES) {
        dropped++;
        return;
      }
      tellDropped();
      out.write(line);
    },
  };
}
