/** A stream of server-sent events as a response. */
export function sseResponse(
  body: ReadableStream<Uint8Array>,
  headers: Record<string, string> = {},
): Response {
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      // Explicit, or the HTTP adapter first waits a timer tick to see whether the body is short.
      'transfer-encoding': 'chunked',
      // nginx buffers streams unless told not to
      'x-accel-buffering': 'no',
      ...headers,
    },
  });
}

/** Whether a request asks for JSON pages instead of a stream. */
export function wantsJson(accept: string | undefined): boolean {
  return (accept ?? '').includes('application/json') && !accept?.includes('text/event-stream');
}

/** The subscriber's cursor. `Last-Event-ID` overrides `?after=`, because it is newer. */
export function startAfter(lastEventId: string | undefined, after: number | undefined): number | undefined {
  return lastEventId !== undefined && /^\d{1,15}$/.test(lastEventId) ? Number(lastEventId) : after;
}
