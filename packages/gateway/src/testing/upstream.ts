import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SeenRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  text: string;
  json(): Record<string, unknown>;
}

export interface FakeUpstream {
  url: string;
  seen: SeenRequest[];
  /** Fires when a client goes away before its answer is complete. */
  aborted: Promise<void>;
  close(): Promise<void>;
}

export type FakeAnswer = (
  request: SeenRequest,
  response: ServerResponse,
  nth: number,
) => void | Promise<void>;

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** A provider on loopback that answers as a test says, for the tests of every dialect. */
export async function startUpstream(answer: FakeAnswer): Promise<FakeUpstream> {
  const seen: SeenRequest[] = [];
  let onAbort = () => {};
  const aborted = new Promise<void>((resolve) => {
    onAbort = resolve;
  });
  const server = createServer(async (request, response) => {
    response.on('close', () => {
      if (!response.writableFinished) onAbort();
    });
    const text = await read(request);
    const record: SeenRequest = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers as Record<string, string>,
      text,
      json: () => JSON.parse(text) as Record<string, unknown>,
    };
    seen.push(record);
    await answer(record, response, seen.length);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    aborted,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function sendJson(response: ServerResponse, status: number, body: unknown, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

/** An SSE body from data objects; a string goes out as it is. */
export function sseText(chunks: readonly unknown[]): string {
  return chunks
    .map((chunk) => `data: ${typeof chunk === 'string' ? chunk : JSON.stringify(chunk)}\n\n`)
    .join('');
}

export function sendSse(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.end(text);
}
