/** A stream of server-sent events as a response. */
export function sseResponse(
  body: ReadableStream<Uint8Array>,
  headers: Record<string, string> = {},
): Response {
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      // Said outright, or the HTTP adapter first waits a timer's tick whether the body is a short one.
      'transfer-encoding': 'chunked',
      // nginx holds streams back unless told not to
      'x-accel-buffering': 'no',
      ...headers,
    },
  });
}

/** Whether a request asks for JSON pages instead of a stream. */
export function wantsJson(accept: string | undefined): boolean {
  return (accept ?? '').includes('application/json') && !accept?.includes('text/event-stream');
}

/** Where a reader left off: `Last-Event-ID` counts more than `?after=`, because it is newer. */
export function startAfter(lastEventId: string | undefined, after: number | undefined): number | undefined {
  return lastEventId !== undefined && /^\d{1,15}$/.test(lastEventId) ? Number(lastEventId) : after;
}
