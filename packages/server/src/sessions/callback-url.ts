import { messageOf } from '../errors.ts';
import type { GuardedFetch, GuardedResponse } from '../outbound/guarded-fetch.ts';

/** Larger than any decision or tool result should be; the agent truncates long results anyway. */
const MAX_ANSWER_BYTES = 1024 * 1024;

/**
 * Posts JSON to the caller's address and expects a JSON object.
 * @throws Error that says what was wrong with the answer
 */
export type PostCallback = (
  url: string,
  body: object,
  timeoutMs: number,
  signal: AbortSignal,
) => Promise<unknown>;

/** @param guarded goes where the configuration allows calls, and follows no redirects */
export const createPostCallback =
  (guarded: Pick<GuardedFetch, 'fetch'>): PostCallback =>
  async (url, body, timeoutMs, signal) => {
    const timeout = AbortSignal.timeout(timeoutMs);
    const { origin } = new URL(url);
    try {
      const response = await guarded.fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.any([timeout, signal]),
      });
      if (response.status !== 200) {
        await response.body?.cancel();
        throw new Error(`it answered with status ${response.status} instead of 200`);
      }
      return JSON.parse(await readText(response));
    } catch (error) {
      const why = timeout.aborted ? `it did not answer within ${timeoutMs / 1000} seconds` : messageOf(error);
      throw new Error(`The callback at ${origin} failed: ${why}`);
    }
  };

async function readText(response: GuardedResponse): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`its answer is longer than ${MAX_ANSWER_BYTES} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
