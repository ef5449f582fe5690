import { readAll, type UpstreamResponse } from '../../transport/transport.ts';
import type { Call } from '../../upstream/call.ts';
import { readError, UpstreamError, type UpstreamFailure } from '../../upstream/error.ts';
import { lessonOf } from './refusals.ts';
import { rememberEach } from './remember.ts';

type Build = (refused: ReadonlySet<string>) => Record<string, unknown>;

/** A lesson of a dialect's own, beside the fields that can be left out; undefined when the refusal teaches none. */
export type Teach = (upstream: UpstreamFailure, body: Record<string, unknown>) => string | undefined;

/**
 * Posts a body that `build` makes, without the fields that this upstream has refused. A field that the answer can do
 * without (one of `optional`, which may be a path) and that a 400 calls unknown is left out from then on, so that an
 * imitation need not know all of OpenAI's.
 */
export function createPoster(optional: readonly string[], teach: Teach = () => undefined) {
  const writeTool = rememberEach((tool: object) => JSON.stringify(tool));

  function write(body: Record<string, unknown>): string {
    const { tools, ...rest } = body;
    if (!Array.isArray(tools)) return JSON.stringify(body);
    return `${JSON.stringify(rest).slice(0, -1)},"tools":[${tools.map(writeTool).join(',')}]}`;
  }

  return (call: Call, url: string, build: Build): Promise<UpstreamResponse> =>
    postJson(call, url, { optional, teach, build, write });
}

async function postJson(
  call: Call,
  url: string,
  how: {
    optional: readonly string[];
    teach: Teach;
    build: Build;
    write(body: Record<string, unknown>): string;
  },
): Promise<UpstreamResponse> {
  const { target } = call;
  const key = `${target.provider}/${target.model}`;
  const here = new Set(target.refuses);
  for (;;) {
    const refused = new Set([...here, ...call.learned.refused(key)]);
    const body = how.build(refused);
    const response = await call.send({
      url,
      method: 'POST',
      headers: {
        ...target.headers,
        'content-type': 'application/json',
        accept: body.stream === true ? 'text/event-stream' : 'application/json',
        'accept-encoding': 'identity',
      },
      body: how.write(body),
      signal: call.signal,
      timeoutMs: target.timeoutMs,
      idleTimeoutMs: target.idleTimeoutMs,
    });
    if (response.status < 400) return response;
    const text = (await readAll(response.body)).toString();
    const upstream = readError(response.status, response.headers, text);
    const own = how.teach(upstream, body);
    const lesson = own && !refused.has(own) ? own : lessonOf(upstream, body, how.optional, refused);
    if (!lesson || refused.has(lesson)) throw new UpstreamError(upstream);
    here.add(lesson);
    call.learned.learn(key, lesson);
  }
}
