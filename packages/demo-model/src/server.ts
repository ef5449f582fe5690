import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createDemoModel, type DemoModel, type DemoOptions } from './model.ts';

export interface DemoServer {
  url: string;
  model: DemoModel;
  /** Stops listening and ends open connections, also those with an answer under way. */
  close(): Promise<void>;
}

/** Serves a demo model on 127.0.0.1. Port 0 (the default) takes a free one. */
export async function startDemoServer(options: DemoOptions & { port?: number } = {}): Promise<DemoServer> {
  const { port = 0, ...rest } = options;
  const model = createDemoModel(rest);
  const server = createServer((request, response) => {
    // Rejects where a script cuts the connection or the client went away: both end it without a word.
    serve(model, request, response).catch(() => response.destroy());
  });
  // Node's 5 s would now and then close a connection just as an agent sends its next turn on it.
  server.keepAliveTimeout = 75_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${taken}`,
    model,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function serve(model: DemoModel, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const body = await readAll(request);
  const reply = await model.handle({
    method: request.method ?? 'GET',
    url: request.url ?? '/',
    headers: new Headers(request.headers as Record<string, string>),
    body,
    signal: gone.signal,
  });
  response.writeHead(reply.status, reply.headers);
  if (typeof reply.body === 'string') {
    response.end(reply.body);
    return;
  }
  for await (const chunk of reply.body) await write(response, chunk);
  response.end();
}

/** Waits until the chunk is with the kernel: a scripted cut right after it must not take it back. */
function write(response: ServerResponse, chunk: string): Promise<void> {
  return new Promise((resolve, reject) => {
    response.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}

async function readAll(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
