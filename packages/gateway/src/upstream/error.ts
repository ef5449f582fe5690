import { statusOfType } from 'claude-agent-protocol/anthropic-errors';
import { isObject } from '../messages/is-object.ts';
import type { TransportError } from '../transport/transport.ts';

/** An upstream's failure, in one form for all dialects. */
export interface UpstreamFailure {
  status: number;
  message: string;
  /** The upstream's own code, such as `context_length_exceeded`. */
  code?: string;
  /** The request's field that the failure is about, such as `reasoning.summary`. */
  param?: string;
  headers: Record<string, string>;
  /** The error type, when the upstream speaks Anthropic's dialect. */
  type?: string;
}

/** Thrown by a provider before the first event; the router decides what happens next. */
export class UpstreamError extends Error {
  readonly upstream: UpstreamFailure;
  constructor(upstream: UpstreamFailure) {
    super(upstream.message);
    this.upstream = upstream;
  }
}

/** Reads the error in an upstream's body, in any of the known shapes. */
export function readError(status: number, headers: Record<string, string>, text: string): UpstreamFailure {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  if (Array.isArray(body)) body = body[0];
  const error = isObject(body) ? (body.error ?? body) : undefined;
  const keyError = isObject(body) && typeof body.error === 'string' ? body : error;
  const described = error === undefined ? undefined : describeError(error);
  const plain = text.startsWith('<') ? '' : text.slice(0, 500);
  return {
    status: status === 400 && isKeyInvalid(keyError) ? 401 : status,
    message: described?.message || plain || `the upstream answered ${status}`,
    headers,
    ...(described?.code === undefined ? {} : { code: described.code }),
    ...(described?.param === undefined ? {} : { param: described.param }),
    ...(described?.type === undefined ? {} : { type: described.type }),
  };
}

/** Gemini and xAI answer 400 to an invalid or expired key. */
function isKeyInvalid(error: unknown): boolean {
  if (!isObject(error)) return false;
  const details: unknown[] = Array.isArray(error.details) ? error.details : [];
  return (
    details.some((detail) => isObject(detail) && detail.reason === 'API_KEY_INVALID') ||
    /^API key (not valid|expired)|(incorrect|invalid) api[ _-]?key/i.test(
      typeof error.message === 'string' ? error.message : String(error.error ?? error.detail ?? ''),
    )
  );
}

/** Reads the error object of a body, or of a chunk in mid-stream. */
export function describeError(error: unknown): UpstreamFailure {
  if (typeof error === 'string') return { status: 502, message: error, headers: {} };
  if (!isObject(error)) return { status: 502, message: 'the upstream sent an error', headers: {} };
  const detail = error.message ?? error.detail ?? error.msg ?? error.Message;
  const message = typeof detail === 'string' ? detail : JSON.stringify(detail ?? error).slice(0, 500);
  const raw = isObject(error.metadata) && typeof error.metadata.raw === 'string' ? error.metadata.raw : '';
  const numeric = Number(error.code ?? error.status);
  const type = typeof error.type === 'string' ? error.type : undefined;
  const code = [error.code, error.status, error.type].find((value) => typeof value === 'string');
  const status =
    Number.isInteger(numeric) && numeric >= 400 && numeric < 600
      ? numeric
      : ([String(error.code), type ?? ''].map(statusOfWord).find((found) => found !== undefined) ?? 502);
  return {
    status,
    message: raw === '' ? message : `${message}: ${raw.slice(0, 500)}`,
    headers: {},
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof error.param === 'string' ? { param: error.param } : {}),
    ...(type === undefined ? {} : { type }),
  };
}

/** Other providers' error types by the status they mean: in mid-stream an error has no status. */
const statusOf: ReadonlyMap<string, number> = new Map([
  ['validationException', 400],
  ['ValidationException', 400],
  ['throttlingException', 429],
  ['ThrottlingException', 429],
  ['serviceUnavailableException', 503],
  ['modelTimeoutException', 504],
  ['context_length_exceeded', 400],
  ['invalid_api_key', 401],
  ['model_not_found', 404],
  ['rate_limit_exceeded', 429],
  ['insufficient_quota', 429],
  ['server_is_overloaded', 529],
  ['slow_down', 529],
  ['server_error', 500],
]);

const statusOfWord = (word: string): number | undefined => statusOfType(word) ?? statusOf.get(word);

/** Claude's 400 when thinking is on and a turn with tool calls does not begin with a thinking block. */
export const thinkingMissing = /expected `?thinking`? or `?redacted_thinking/i;
/** Claude's 400 when thinking blocks have a foreign signature, or some of them are missing. */
export const thoughtsRefused = /signature|thinking`? blocks[^.]* cannot be modified/i;

/** A failure of the connection, as the status that a proxy would answer. */
export function fromTransport(error: TransportError, provider: string): UpstreamFailure {
  if (error.kind === 'timeout') {
    return { status: 504, message: `${provider} did not answer in time (${error.message})`, headers: {} };
  }
  return { status: 502, message: `${provider} cannot be reached (${error.message})`, headers: {} };
}
