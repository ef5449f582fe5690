// Run as a child process: many SSE readers of one URL that count frames. Reads raw sockets, because a
// full HTTP client for each of 1,000 readers would need more of the machine than the server does.
import { connect, type Socket } from 'node:net';

const [url = '', wanted = '1'] = process.argv.slice(2);
const { hostname, port, pathname } = new URL(url);
const counts = new Array<number>(Number(wanted)).fill(0);
const sockets: Socket[] = [];
/** The bench may be done and gone at any moment. */
const tell = (message: object): void => {
  if (process.connected) process.send?.(message, () => {});
};
/** Each frame has one line of data; comments have none. */
const MARK = Buffer.from('\ndata: ');

/** Marks in a chunk, and the one that may lie across its beginning. `tail` is the end of the chunk before. */
function countFrames(chunk: Buffer, tail: Buffer): number {
  let found = 0;
  for (let at = chunk.indexOf(MARK); at >= 0; at = chunk.indexOf(MARK, at + MARK.length)) found++;
  const seam = Buffer.concat([tail, chunk.subarray(0, MARK.length - 1)]);
  return seam.includes(MARK) ? found + 1 : found;
}

for (let n = 0; n < counts.length; n++) {
  await new Promise<void>((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    sockets.push(socket);
    let tail = Buffer.alloc(0);
    socket.once('connect', () =>
      socket.write(
        `GET ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAccept: text/event-stream\r\n\r\n`,
      ),
    );
    socket.once('error', reject);
    socket.once('close', () => tell({ closed: n }));
    socket.on('data', (chunk: Buffer) => {
      counts[n] = (counts[n] ?? 0) + countFrames(chunk, tail);
      const end = chunk.subarray(1 - MARK.length);
      tail = Buffer.concat([tail, end]).subarray(1 - MARK.length);
      // The stream says so when the server has this reader in its list.
      if (chunk.includes(': connected')) resolve();
    });
  });
}

tell({ ready: true });
// The slowest and the sum: the server waits for the one, the table is made of the other.
setInterval(() => {
  tell({
    slowest: Math.min(...counts),
    total: counts.reduce((a, b) => a + b, 0),
  });
}, 5);
process.on('disconnect', () => process.exit(0));
