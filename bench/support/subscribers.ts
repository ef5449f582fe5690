// Run as a child process: many SSE readers of one URL that count frames. Reads raw sockets, because a
// full HTTP client for each of 1,000 readers would need more of the machine than the server does.
import { connect, type Socket } from 'node:net';

const [url = '', wanted = '1'] = process.argv.slice(2);
const { hostname, port, pathname } = new URL(url);
const counts = new Array<number>(Number(wanted)).fill(0);
const sockets: Socket[] = [];
const NEWLINE = 10;

/** Frames end with an empty line; nothing else in the stream has two newlines in a row. */
function countFrames(chunk: Buffer, endedWithNewline: boolean): number {
  let found = endedWithNewline && chunk[0] === NEWLINE ? 1 : 0;
  for (let at = chunk.indexOf('\n\n'); at >= 0; at = chunk.indexOf('\n\n', at + 2)) found++;
  return found;
}

for (let n = 0; n < counts.length; n++) {
  await new Promise<void>((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    sockets.push(socket);
    let newline = false;
    socket.once('connect', () =>
      socket.write(
        `GET ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAccept: text/event-stream\r\n\r\n`,
      ),
    );
    socket.once('error', reject);
    socket.once('close', () => process.send?.({ closed: n }));
    // The first frame is the ": connected" comment: the server has this reader in its list.
    socket.on('data', (chunk: Buffer) => {
      const found = countFrames(chunk, newline);
      newline = chunk.at(-1) === NEWLINE;
      counts[n] = (counts[n] ?? 0) + found;
      if (counts[n] === found && found > 0) resolve();
    });
  });
}

process.send?.({ ready: true });
// The slowest and the sum: the server waits for the one, the table is made of the other.
setInterval(() => {
  process.send?.({
    slowest: Math.min(...counts) - 1,
    total: counts.reduce((a, b) => a + b, 0) - counts.length,
  });
}, 5);
process.on('disconnect', () => process.exit(0));
