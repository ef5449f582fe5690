/** Tells a user how far something has come: in place on a terminal, otherwise a line now and then. */
export interface Progress {
  begin(what: string, total: number, done: number): void;
  add(rows: number): void;
  /** Ends the line. */
  end(): void;
}

const ON_TERMINAL_MS = 200;
const IN_LOG_MS = 10_000;

/** Writes to standard error, so that standard output has the result only. */
export function createProgress(out: NodeJS.WriteStream = process.stderr): Progress {
  const interval = out.isTTY ? ON_TERMINAL_MS : IN_LOG_MS;
  const number = new Intl.NumberFormat('en');
  let [what, total, done, first] = ['', 0, 0, 0];
  let begunAt = Date.now();
  let toldAt = Date.now();
  let isOpen = false;
  const tell = (): void => {
    const rate = Math.round(((done - first) / Math.max(1, Date.now() - begunAt)) * 1000);
    const line = `${what}: ${number.format(done)} of ${number.format(total)} (${number.format(rate)}/s)`;
    toldAt = Date.now();
    isOpen = out.isTTY;
    out.write(out.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
  };
  return {
    begin(next, all, before) {
      [what, total, done, first] = [next, all, before, before];
      begunAt = Date.now();
    },
    add(rows) {
      done += rows;
      if (Date.now() - toldAt >= interval) tell();
    },
    end() {
      if (isOpen) out.write('\r\x1b[K');
      isOpen = false;
    },
  };
}
