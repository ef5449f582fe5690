import type { UpstreamResponse } from '../../transport/transport.ts';
import type { Call } from '../../upstream/call.ts';
import type { UpstreamFailure } from '../../upstream/error.ts';
import { lessonOf } from './refusals.ts';
import { rememberEach } from './remember.ts';
import { post, sendAndLearn } from './send-and-learn.ts';

type Body = Record<string, unknown>;

/** A lesson of a dialect's own, beside the fields that can be left out; undefined when the refusal teaches none. */
export type Teach = (upstream: UpstreamFailure, body: Body) => string | undefined;

/**
 * Posts a body that `build` makes, without the fields that this upstream has refused. A field that the answer can do
 * without (one of `optional`, which may be a path) and that a 400 calls unknown is left out from then on, so that an
 * imitation need not know all of OpenAI's.
 */
export function createPoster(optional: readonly string[], teach: Teach = () => undefined) {
  const writeTool = rememberEach((tool: object) => JSON.stringify(tool));

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
