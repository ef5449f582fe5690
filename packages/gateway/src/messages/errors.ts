import type { Target } from '../upstream/call.ts';

/** A failure as the client will see it: Anthropic's status, type and sentence. */
export interface Failure {
  status: number;
  type: string;
  message: string;
  retryAfterSeconds?: number;
  /** Another attempt would meet the same; said where the client would make one. */
  final?: true;
}

/** Anthropic's error types by their status: the only table of them. */
const types: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  500: 'api_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

/** Anthropic's error type for a status. */
export function errorType(status: number): string {
  return types[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error');
}

/** The status of one of Anthropic's error types; undefined for another word. */
export function statusOfType(type: string): number | undefined {
  const found = Object.entries(types).find(([, name]) => name === type);
  return found && Number(found[0]);
}

export function failure(status: number, message: string, retryAfterSeconds?: number): Failure {
  return {
    status,
    type: errorType(status),
    message,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  };
}

/** Thrown inside the gateway and turned into an answer in one place (gateway.ts). */
export class GatewayError extends Error {
  readonly failure: Failure;
  /** The upstream that it came from, for accounts. */
  readonly target: Target | undefined;
  constructor(cause: Failure, target?: Target) {
    super(cause.message);
    this.failure = cause;
    this.target = target;
  }
}

export function refuse(status: number, message: string): never {
  throw new GatewayError(failure(status, message));
}

/** The JSON body of an error answer. */
export function errorBody(cause: Pick<Failure, 'type' | 'message'>, requestId: string): string {
  return JSON.stringify({
    type: 'error',
    error: { type: cause.type, message: cause.message },
    request_id: requestId,
  });
}

/** What a budget cannot be held against. */
export const unpriced =
  'Nobody knows what this model costs, so a budget cannot be held. Set its `prices` in the configuration, under ' +
  '`providers.<id>.models.<model>` (0 for a model of your own), or use it without a budget.';
