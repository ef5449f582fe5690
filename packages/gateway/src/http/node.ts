import type { IncomingMessage, ServerResponse } from 'node:http';
import { pingText } from '../messages/sse.ts';
import { type Answer, type Incoming, isWhole } from '../pipeline/answer.ts';
import { clientGone, isAborted } from '../transport/transport.ts';
import { type Received, readToEnd } from './received.ts';

/** A request of node:http; `gone` aborts when the client disconnects before the answer is complete. */
export function fromNode(request: IncomingMessage, response: ServerResponse): Received {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  const url = request.url ?? '/';
  const mark = url.indexOf('?');
  const incoming: Incoming = {
    method: request.method ?? 'GET',
    path: mark < 0 ? url : url.slice(0, mark),
    query: mark < 0 ? '' : url.slice(mark),
    headers: request.headers as Record<string, string>,
    signal: gone.signal,
    body: (limit) =>
      new Promise((resolve, reject) => {
        const chunks: Buffer[] = [];
        let size = 0;
        request.on('data', (chunk: Buffer) => {
          size += chunk.length;
          // The rest is read and dropped: a client that is still sending would not see the answer.
          if (size <= limit) chunks.push(chunk);
        });
        request.on('end', () =>
          resolve(size > limit ? undefined : chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)),
        );
        // An aborted upload emits an error ("aborted") before it closes.
        request.on('error', (error) => reject(request.complete ? error : clientGone()));
        request.on('close', () => {
          if (!request.complete) reject(clientGone());
        });
      }),
  };
  return { incoming, gone };
}

/**
 * Writes an answer through node:http, at the client's pace. Throws before anything is written when Node refuses a header.
 */
export async function toNode(answer: Answer, response: ServerResponse, gone: AbortController): Promise<void> {
  const { body, pingMs, isComplete } = answer;
  if (isWhole(body)) {
    response.writeHead(answer.status, {
      ...answer.headers,
      'content-length': String(Buffer.byteLength(body)),
    });
    response.end(body);
    return;
  }
  response.writeHead(answer.status, answer.headers);
  let last = Date.now();
  const timer = pingMs
    ? setInterval(() => {
        if (Date.now() - last < pingMs || response.writableNeedDrain) return;
        response.write(pingText);
        last = Date.now();
      }, pingMs / 2)
    : undefined;
  try {
    const chunks = body[Symbol.asyncIterator]();
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
      if (response.destroyed) {
        await chunks.return?.();
        return;
      }
      if (isComplete?.()) {
        // One write for the last chunk and the end.
        response.end(next.value);
        clearInterval(timer);
        return await readToEnd(chunks, gone);
      }
      last = Date.now();
      if (!response.write(next.value)) await drained(response);
    }
    response.end();
  } catch (error) {
    // The headers were sent: the only way left is to break the connection.
    response.destroy();
    if (!isAborted(error) && !gone.signal.aborted) throw error;
  } finally {
    clearInterval(timer);
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
