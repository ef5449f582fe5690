import { readAll, type UpstreamResponse } from '../../http/transport.ts';
import type { Call } from '../provider.ts';
import { rememberEach } from './remember.ts';
import { readError, UpstreamError, type UpstreamFailure } from './upstream-error.ts';

/** The optional field that an upstream's 400 is about. */
function refusedField(
  upstream: UpstreamFailure,
  body: Record<string, unknown>,
  optional: readonly string[],
): string | undefined {
  if (upstream.status !== 400 && upstream.status !== 422) return undefined;
  const words =
    /unsupported|not support|unrecognized|unknown|extra|unexpected|not permitted|not allowed|invalid/i;
  if (!words.test(upstream.message)) return undefined;
  // The first name in quotes is the field; another one is often named as its remedy.
  const quoted = /['"`]([a-z_]+)(?:\.[a-z_]+)*['"`]/.exec(upstream.message)?.[1];
  if (quoted && quoted in body && optional.includes(quoted)) return quoted;
  return optional.find((name) => name in body && new RegExp(`\\b${name}\\b`).test(upstream.message));
}

type Build = (refused: ReadonlySet<string>) => Record<string, unknown>;

/**
 * Posts a body that `build` makes, without the fields that this upstream has refused. A field that the answer can do
 * without (one of `optional`) and that a 400 names is left out from then on, so that an imitation need not know all of
 * OpenAI's.
 */
export function createPoster(optional: readonly string[]) {
  const writeTool = rememberEach((tool: object) => JSON.stringify(tool));

  function write(body: Record<string, unknown>): string {
    const { tools, ...rest } = body;
    if (!Array.isArray(tools)) return JSON.stringify(body);
    return `${JSON.stringify(rest).slice(0, -1)},"tools":[${tools.map(writeTool).join(',')}]}`;
  }

  return (call: Call, url: string, build: Build): Promise<UpstreamResponse> =>
    postJson(call, url, optional, build, write);
}

async function postJson(
  call: Call,
  url: string,
  optional: readonly string[],
  build: Build,
  write: (body: Record<string, unknown>) => string,
): Promise<UpstreamResponse> {
  const { target } = call;
  const key = `${target.provider}/${target.model}`;
  for (;;) {
    const refused = new Set([...target.refuses, ...(call.learned.get(key) ?? [])]);
    const body = build(refused);
    const response = await call.send({
      url,
      method: 'POST',
      headers: {
        ...target.headers,
        'content-type': 'application/json',
        accept: body.stream === true ? 'text/event-stream' : 'application/json',
        'accept-encoding': 'identity',
      },
      body: write(body),
      signal: call.signal,
      timeoutMs: target.timeoutMs,
      idleTimeoutMs: target.idleTimeoutMs,
    });
    if (response.status < 400) return response;
    const text = (await readAll(response.body)).toString();
    const upstream = readError(response.status, response.headers, text);
    const field = refusedField(upstream, body, optional);
    if (!field || refused.has(field)) throw new UpstreamError(upstream);
    call.learned.set(key, new Set([...(call.learned.get(key) ?? []), field]));
  }
}
