import type { Failure } from '../messages/errors.ts';
import { encodeEvents, pingText } from '../messages/sse.ts';
import { withEnd } from '../transport/chunks.ts';
import { isAborted } from '../transport/transport.ts';
import { type Answer, discard, isWhole, streamHeaders } from './answer.ts';

/**
 * When the upstream of a stream is silent for long, the stream begins with pings, so that the client knows it is alive,
 * and a later error is sent as an event. Until then nothing is sent, and a failure still gets its own status.
 */
export async function orPings(
  answer: Promise<Answer>,
  pingMs: number,
  toFailure: (error: unknown) => Failure,
): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<'silence'>((resolve) => {
    timer = setTimeout(resolve, pingMs, 'silence');
  });
  const first = await Promise.race([answer, silence]).finally(() => clearTimeout(timer));
  if (first !== 'silence') return first;
  let answered: Answer | undefined;
  async function* later(): AsyncGenerator<string | Uint8Array> {
    yield pingText;
    try {
      answered = await answer;
    } catch (error) {
      if (isAborted(error)) return;
      const { type, message } = toFailure(error);
      yield encodeEvents([{ type: 'error', error: { type, message } }]);
      return;
    }
    if (isWhole(answered.body)) yield answered.body;
    else yield* answered.body;
  }
  const body = withEnd(later(), (done) => {
    if (!done) void answer.then(discard, () => {});
  });
  const isComplete = () => answered?.isComplete?.() ?? false;
  return { status: 200, headers: streamHeaders(), body, isComplete, pingMs };
}
