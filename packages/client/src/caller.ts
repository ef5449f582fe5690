import type { Input, Output, RouteInput, RouteOutput, RouteSpec } from 'claude-agent-protocol';
import { type EndpointName, endpoints } from 'claude-agent-protocol/endpoints';
import type { HttpRequest, Transport } from './http.ts';

export interface CallOptions {
  signal?: AbortSignal;
  /** Replaces the client's time limit for this call. */
  timeoutMs?: number;
}

/** Routes that take nothing need no input. */
export type Arguments<I> =
  Record<string, never> extends I ? [input?: I, options?: CallOptions] : [input: I, options?: CallOptions];

/** Calls any route of the contract: by its name, or by its value. */
export interface Caller {
  <N extends EndpointName>(route: N, ...rest: Arguments<Input<N>>): Promise<Output<N>>;
  <R extends RouteSpec>(route: R, ...rest: Arguments<RouteInput<R>>): Promise<RouteOutput<R>>;
}

/** The input of any route; the types above have checked that it fits. */
type AnyInput = Pick<HttpRequest, 'params' | 'query' | 'headers' | 'body'>;

/** Makes the function that calls any route; `timeoutMs` is the limit for ordinary requests. */
export function createCaller(transport: Transport, timeoutMs: number): Caller {
  return async (route: EndpointName | RouteSpec, input?: unknown, options?: CallOptions) => {
    const { method, path } = typeof route === 'string' ? endpoints[route] : route;
    const { params, query, headers, body } = (input ?? {}) as AnyInput;
    // A blocking message waits for a whole turn, permissions included.
    const limit = path === endpoints.sendMessage.path && method === 'POST' ? undefined : timeoutMs;
    const response = await transport({
      method,
      path,
      params,
      query,
      headers,
      body,
      signal: options?.signal,
      timeoutMs: options?.timeoutMs ?? limit,
    });
    return response.headers.get('content-type')?.includes('json') ? await response.json() : undefined;
  };
}
