import { readAll, type UpstreamRequest, type UpstreamResponse } from '../../transport/transport.ts';
import type { Call } from '../../upstream/call.ts';
import { readError, UpstreamError, type UpstreamFailure } from '../../upstream/error.ts';

/** A field or feature that an upstream refuses: the request is sent again without it. */
export interface Lesson {
  name: string;
  /** Applies to this request only. Other lessons are remembered for the model at this provider. */
  once?: true;
}

interface LearningRequest<Body, Answer> {
  /** The body without what this upstream refuses. */
  build(refused: ReadonlySet<string>): Body;
  /** Throws an UpstreamError for a refusal. */
  send(body: Body): Promise<Answer>;
  /** The lesson of a refusal; undefined when the refusal has to go to the client. */
  teach(upstream: UpstreamFailure, body: Body, refused: ReadonlySet<string>): Lesson | undefined;
}

/** Sends a request; after a refusal with a lesson, remembers the lesson and sends again. Each lesson applies once. */
export async function sendAndLearn<Body, Answer>(
  { target, learned }: Call,
  { build, send, teach }: LearningRequest<Body, Answer>,
): Promise<Answer> {
  const key = `${target.provider}/${target.model}`;
  const here = new Set(target.refuses);
  for (;;) {
    const refused = new Set([...here, ...learned.refused(key)]);
    const body = build(refused);
    try {
      return await send(body);
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      const lesson = teach(error.upstream, body, refused);
      if (!lesson || refused.has(lesson.name)) throw error;
      here.add(lesson.name);
      if (!lesson.once) learned.learn(key, lesson.name);
    }
  }
}

/** Posts to a call's target. Throws an UpstreamError for any status from 400 on. */
export async function post(
  { target, send, signal, addedHeaders }: Call,
  request: Pick<UpstreamRequest, 'url' | 'headers' | 'body'>,
): Promise<UpstreamResponse> {
  const { timeoutMs, idleTimeoutMs } = target;
  const headers = { ...request.headers, ...addedHeaders };
  const response = await send({ ...request, headers, method: 'POST', signal, timeoutMs, idleTimeoutMs });
  if (response.status < 400) return response;
  const text = (await readAll(response.body)).toString();
  throw new UpstreamError(readError(response.status, response.headers, text));
}
