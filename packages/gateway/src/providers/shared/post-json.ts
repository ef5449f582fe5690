import type { UpstreamResponse } from '../../transport/transport.ts';
import type { Call } from '../../upstream/call.ts';
import type { UpstreamFailure } from '../../upstream/error.ts';
import { memoizeByObject } from './memoize.ts';
import { lessonOf } from './refusals.ts';
import { post, sendAndLearn } from './send-and-learn.ts';

type Body = Record<string, unknown>;

/** A dialect's own lesson from a refusal, besides optional fields; undefined when there is none. */
export type Teach = (upstream: UpstreamFailure, body: Body) => string | undefined;

/**
 * Posts a body without the fields that this upstream has refused. After a 400 about an unknown field, the field is left
 * out from then on if it is `optional` (names or paths), so that imitations need not know all of OpenAI's fields.
 */
export function createPoster(optional: readonly string[], teach: Teach = () => undefined) {
  const writeTool = memoizeByObject((tool: object) => JSON.stringify(tool));

  function write(body: Body): string {
    const { tools, ...rest } = body;
    if (!Array.isArray(tools)) return JSON.stringify(body);
    return `${JSON.stringify(rest).slice(0, -1)},"tools":[${tools.map(writeTool).join(',')}]}`;
  }

  return (
    call: Call,
    url: string,
    build: (refused: ReadonlySet<string>) => Body,
  ): Promise<UpstreamResponse> =>
    sendAndLearn(call, {
      build,
      send: (body) =>
        post(call, {
          url,
          headers: {
            ...call.target.headers,
            'content-type': 'application/json',
            accept: body.stream === true ? 'text/event-stream' : 'application/json',
            'accept-encoding': 'identity',
          },
          body: write(body),
        }),
      teach(upstream, body, refused) {
        const own = teach(upstream, body);
        const name = own && !refused.has(own) ? own : lessonOf(upstream, body, optional, refused);
        return name ? { name } : undefined;
      },
    });
}
