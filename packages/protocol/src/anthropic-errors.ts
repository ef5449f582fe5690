/**
 * Anthropic's error types by status, https://docs.anthropic.com/en/api/errors: the only table of them. `/v1/*` answers
 * with these, from the server, the gateway and the demo model alike.
 */
export const ERROR_TYPES: Readonly<Record<number, string>> = {
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
  return ERROR_TYPES[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error');
}

/** The status of one of Anthropic's error types; undefined for another word. */
export function statusOfType(type: string): number | undefined {
  const found = Object.entries(ERROR_TYPES).find(([, name]) => name === type);
  return found && Number(found[0]);
}

/** The JSON body of an error answer: Anthropic's envelope. */
export function errorBody(cause: { type: string; message: string }, requestId: string): string {
  return JSON.stringify({
    type: 'error',
    error: { type: cause.type, message: cause.message },
    request_id: requestId,
  });
}
