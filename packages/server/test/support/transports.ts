import type { Answer, Api, SseFrame } from './api.ts';

/** A call of the API, by the path as the contract writes it: with `{name}` placeholders. */
export interface Call {
  params?: Record<string, string>;
  query?: Record<string, string | number>;
  body?: unknown;
  headers?: Record<string, string>;
}

/** One of the ways to reach a route. The same tests run over each of them. */
export interface Transport {
  call<T = Record<string, unknown>>(method: string, path: string, call?: Call): Promise<Answer<T>>;
  stream(method: string, path: string, call?: Call): AsyncGenerator<SseFrame>;
}

/** The routes themselves. */
export const direct = (api: Api): Transport => ({
  call: (method, path, { body, headers, ...call } = {}) =>
    api.call(method, concrete(path, call), body, headers && { headers }),
  stream: (method, path, { body, headers, ...call } = {}) =>
    api.stream(concrete(path, call), {
      method,
      headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }),
});

/** `POST /invocations`: of each route, every other call names the path as it is, the rest a template. */
const invocations = (api: Api): Transport => {
  const calls = new Map<string, number>();
  const invocation = (method: string, path: string, { params, query, body }: Call) => {
    const route = `${method} ${path}`;
    const nth = calls.get(route) ?? 0;
    calls.set(route, nth + 1);
    const payload = body ?? query;
    return nth % 2 === 0
      ? {
          // POST is the default, and upper case is not asked for.
          ...(method !== 'POST' && { method: method.toLowerCase() }),
          path,
          ...(params && { path_params: params }),
          ...(payload !== undefined && { payload }),
        }
      : {
          method,
          path: concrete(path, { ...(params && { params }), ...(query && { query }) }),
          ...(body !== undefined && { payload: body }),
        };
  };
  return {
    call: (method, path, { headers, ...call } = {}) =>
      api.call('POST', '/invocations', invocation(method, path, call), headers && { headers }),
    stream: (method, path, { headers, ...call } = {}) =>
      api.stream('/invocations', {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(invocation(method, path, call)),
      }),
  };
};

function concrete(path: string, { params = {}, query }: Pick<Call, 'params' | 'query'>): string {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
  const search = new URLSearchParams(
    Object.entries(query ?? {}).map(([name, value]) => [name, String(value)]),
  );
  return search.size > 0 ? `${filled}?${search}` : filled;
}

export const TRANSPORTS = [
  { way: 'directly', over: direct },
  { way: 'through /invocations', over: invocations },
] as const;
