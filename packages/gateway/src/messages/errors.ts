import { errorType } from 'claude-agent-protocol/anthropic-errors';

/** A failure as the client sees it: Anthropic's status, type and message. */
export interface Failure {
  status: number;
  type: string;
  message: string;
  retryAfterSeconds?: number;
  /** A retry would fail the same way. Set where the client would otherwise retry. */
  final?: true;
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
  constructor(cause: Failure) {
    super(cause.message);
    this.failure = cause;
  }
}

export function refuse(status: number, message: string): never {
  throw new GatewayError(failure(status, message));
}
