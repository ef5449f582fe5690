import type { SessionCreated, SessionDetail, TurnResult } from 'claude-agent-protocol';

export interface Answer<T> {
  status: number;
  headers: Headers;
  body: T;
}

export interface CallOptions {
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** A frame of an SSE stream. */
export interface SseFrame {
  id: string | undefined;
  event: string;
  // Tests look into many shapes of data; each states what it expects.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  data: any;
}

/** Plain HTTP calls, as any user of the server makes them. */
export interface Api {
  url: string;
  call<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    options?: CallOptions,
  ): Promise<Answer<T>>;
  createSession(body?: Record<string, unknown>): Promise<SessionCreated>;
  send(sessionId: string, message: unknown, more?: Record<string, unknown>): Promise<TurnResult>;
  status(sessionId: string): Promise<SessionDetail>;
  /** Reads a stream frame by frame; ends with the stream, or when the reader stops. */
  stream(path: string, init?: RequestInit): AsyncGenerator<SseFrame>;
  /** The same, but settles only when the server has begun to answer: what happens from then on is in it. */
  openStream(path: string, init?: RequestInit): Promise<AsyncGenerator<SseFrame>>;
}

/** A prompt that the scripted model follows step by step. */
export const script = (...steps: Record<string, unknown>[]): string => `script: ${JSON.stringify(steps)}`;

export function createApi(url: string): Api {
  const call = async <T>(
    method: string,
    path: string,
    body?: unknown,
    options: CallOptions = {},
  ): Promise<Answer<T>> => {
    const response = await fetch(url + path, {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...options.headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(options.signal && { signal: options.signal }),
    });
    const text = await response.text();
    // The answer to HEAD has no body.
    const isJson = text !== '' && /[/+]json/.test(response.headers.get('content-type') ?? '');
    const json = isJson ? JSON.parse(text) : text;
    return { status: response.status, headers: response.headers, body: json as T };
  };

  const ok = async <T>(answer: Promise<Answer<T>>): Promise<T> => {
    const { status, body } = await answer;
    if (status !== 200) throw new Error(`HTTP ${status}: ${JSON.stringify(body)}`);
    return body;
  };

  const openStream = async (path: string, init: RequestInit = {}): Promise<AsyncGenerator<SseFrame>> => {
    const response = await fetch(url + path, {
      ...init,
      headers: { accept: 'text/event-stream', ...(init.headers as Record<string, string>) },
    });
    if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}: ${await response.text()}`);
    return sseFrames(response.body);
  };

  return {
    url,
    call,
    createSession: (body = {}) => ok(call<SessionCreated>('POST', '/sessions', body)),
    send: (sessionId, message, more = {}) =>
      ok(call<TurnResult>('POST', `/sessions/${sessionId}/messages`, { message, ...more })),
    status: (sessionId) => ok(call<SessionDetail>('GET', `/sessions/${sessionId}/status`)),

    async *stream(path, init) {
      yield* await openStream(path, init);
    },
    openStream,
  };
}

/** The frames of an SSE body; comments are passed over. */
export function sseFrames(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<SseFrame> {
  // Locked at once: fetch cancels a body that nobody reads when its Response is collected.
  return readFrames(body.pipeThrough(new TextDecoderStream()));
}

async function* readFrames(chunks: ReadableStream<string>): AsyncGenerator<SseFrame> {
  let text = '';
  for await (const chunk of chunks) {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const frame = readFrame(text.slice(0, end));
      text = text.slice(end + 2);
      if (frame) yield frame;
    }
  }
}

/** undefined for comments. */
function readFrame(text: string): SseFrame | undefined {
  const field = (name: string): string | undefined =>
    text
      .split('\n')
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2);
  const data = field('data');
  return data === undefined
    ? undefined
    : { id: field('id'), event: field('event') ?? 'message', data: JSON.parse(data) as unknown };
}

/** The first frame that fits. */
export async function firstFrame(
  stream: AsyncGenerator<SseFrame>,
  fits: (frame: SseFrame) => boolean,
): Promise<SseFrame> {
  for await (const frame of stream) if (fits(frame)) return frame;
  throw new Error('the stream ended before the frame that the test waits for');
}

/** All frames up to and including the first that fits. */
export async function framesUntil(
  stream: AsyncGenerator<SseFrame>,
  fits: (frame: SseFrame) => boolean,
): Promise<SseFrame[]> {
  const frames: SseFrame[] = [];
  for await (const frame of stream) {
    frames.push(frame);
    if (fits(frame)) return frames;
  }
  throw new Error(`the stream ended after: ${frames.map((frame) => frame.event).join(', ')}`);
}
