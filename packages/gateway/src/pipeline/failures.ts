import { type Failure, failure, GatewayError } from '../messages/errors.ts';
import type { LogEntry } from './hooks.ts';

/** The failure of a GatewayError. Any other error is a bug of the gateway: logged, and a 500. */
export function failureOf(error: unknown, requestId: string, log?: (entry: LogEntry) => void): Failure {
  if (error instanceof GatewayError) return error.failure;
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log?.({ level: 'error', message, request_id: `req_${requestId}` });
  return failure(500, 'The gateway failed; its log has the details under this request id.');
}
