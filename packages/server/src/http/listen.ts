import type { Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Config, ConfigError } from '../config.ts';

/** @returns the address @throws ConfigError when it is not available */
export async function listen(
  http: HttpServer,
  { host, port }: Pick<Config, 'host' | 'port'>,
): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    http.once('error', (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'EADDRINUSE'
          ? `Port ${port} is in use. Stop the program that uses it, or choose another port with --port (0 picks a free one).`
          : `Cannot listen on ${host}:${port}: ${error.message}`;
      reject(new ConfigError(why));
    });
    http.listen(port, host, resolve);
  });
  const { port: taken, address, family } = http.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${taken}`;
}

/** So long may an answer take that was asked for before the end; what waits for a turn is over by then. */
const LAST_ANSWERS_MS = 5_000;
const LOOK_EVERY_MS = 50;

/**
 * Open responses get a moment to finish; then the connections are closed.
 * @param movesWithinMs how long a request may wait for the next owner of its session: it is answered before that, too
 */
export async function closeHttp(http: HttpServer, movesWithinMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => http.close(() => resolve()));
  http.closeIdleConnections();
  // One that has got its answer would stay open for the next request.
  const idle = setInterval(() => http.closeIdleConnections(), LOOK_EVERY_MS);
  const late = setTimeout(() => http.closeAllConnections(), LAST_ANSWERS_MS + movesWithinMs);
  await closed;
  clearInterval(idle);
  clearTimeout(late);
}
