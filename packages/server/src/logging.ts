import type { Writable } from 'node:stream';

/** So much of the log waits for a reader that is slow. */
const MAX_WAITING_BYTES = 1024 * 1024;

/**
 * Where the log goes: a stream that never makes the server wait. Who reads the log may stall (a pager, a full pipe, a
 * collector that hangs); then lines are dropped, and counted in the log itself as soon as it is read again.
 */
export function createLogStream(out: Writable): { write(line: string): void } {
  let dropped = 0;
  const tellDropped = (): void => {
    if (dropped === 0) return;
    const msg = `${dropped} lines of this log were dropped here: nobody read them in time`;
    const line = { level: 40, time: Date.now(), pid: process.pid, dropped, msg };
    dropped = 0;
    out.write(`${JSON.stringify(line)}\n`);
  };
  // The reader is gone for good: the server goes on without it.
  out.on('error', () => undefined);
  out.on('drain', tellDropped);
  return {
    write(line) {
      // Measured: Node hands on at once what a pipe takes, and keeps the rest without blocking.
      if (out.writableLength > MAX_WAITING_BYTES) {
        dropped++;
        return;
      }
      tellDropped();
      out.write(line);
    },
  };
}
