import type { Problem } from 'claude-agent-protocol';
import type { ProblemCode, ProblemStatus } from 'claude-agent-protocol/problems';

/** A code that this version knows, or one of a newer server or of something in between. */
export type ErrorCode = ProblemCode | (string & {});

/** The server answered with a problem document (or, from something in between, with another error). */
export class ApiError extends Error {
  readonly status: number;
  /** Stable name of the problem, for example `session_not_found`. */
  readonly code: ErrorCode;
  /** One sentence: what went wrong and what to do next. */
  readonly detail: string;
  /** For a refused request: what is wrong, field by field. */
  readonly errors: readonly { path: string; message: string }[];
  /** Numbers in `detail` that a program may need, such as `first_seq` of `events_compacted`. */
  readonly params: Readonly<Record<string, number>>;

  constructor(problem: Pick<Problem, 'status' | 'code' | 'detail' | 'errors' | 'params'>) {
    super(problem.detail);
    this.name = 'ApiError';
    this.status = problem.status;
    this.code = problem.code;
    this.detail = problem.detail;
    this.errors = problem.errors ?? [];
    this.params = problem.params ?? {};
  }
}

/** An error with one of the codes `C`, and the status that goes with it. */
export type ProblemError<C extends ProblemCode> = {
  [K in C]: ApiError & { readonly code: K; readonly status: ProblemStatus<K> };
}[C];

/** Whether an error is one of these problems of the server. A `switch` on its `code` can then be exhaustive. */
export function isProblem<C extends ProblemCode>(
  error: unknown,
  ...codes: readonly [C, ...C[]]
): error is ProblemError<C> {
  return error instanceof ApiError && (codes as readonly string[]).includes(error.code);
}

/** No answer came from the server's address: it is not running, or the address is wrong. */
export class ServerUnreachable extends Error {
  readonly url: string;
  /** The connection broke under the request: the server may have received it. */
  readonly mayHaveArrived: boolean;

  constructor(url: string, cause: unknown) {
    const reason = reasonOf(cause);
    super(`No server answers at ${url} (${reason}). Start it there, or give another address.`, {
      cause,
    });
    this.name = 'ServerUnreachable';
    this.url = url;
    this.mayHaveArrived = BROKEN_CONNECTION.has(reason);
  }
}

/** How Node names a connection that was made and then lost; a browser gives no reason. */
const BROKEN_CONNECTION = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

/** The server took longer than the caller wanted to wait. What was asked for may still happen. */
export class RequestTimeout extends Error {
  constructor(what: string, ms: number) {
    super(`${what} took longer than ${ms} ms.`);
    this.name = 'RequestTimeout';
  }
}

/** An option that only makes sense in the agent's own process was given to the remote `query`. */
export class UnsupportedOption extends Error {
  constructor(names: readonly string[]) {
    super(
      `Not possible over HTTP: ${names.join(', ')}. Leave ${names.length === 1 ? 'it' : 'them'} out, or configure the server instead.`,
    );
    this.name = 'UnsupportedOption';
  }
}

/** The system's own name for a network failure (`ECONNREFUSED`), which fetch hides in `cause`. */
function reasonOf(error: unknown): string {
  let at: unknown = error;
  for (let depth = 0; depth < 5 && at instanceof Error; depth += 1) {
    if ('code' in at && typeof at.code === 'string') return at.code;
    at = at.cause ?? (at instanceof AggregateError ? at.errors[0] : undefined);
  }
  return error instanceof Error ? error.message : String(error);
}

/** Reads a failed response into an `ApiError`, whatever its body is. */
export async function toApiError(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '');
  const body = parseObject(text);
  const fallback = text.trim().slice(0, 300) || response.statusText || 'no further words';
  return new ApiError({
    status: response.status,
    code: typeof body?.code === 'string' ? body.code : `http_${response.status}`,
    detail: typeof body?.detail === 'string' ? body.detail : (anthropicMessage(body) ?? fallback),
    errors: Array.isArray(body?.errors) ? (body.errors as Problem['errors']) : undefined,
    params: typeof body?.params === 'object' && body.params !== null ? { ...body.params } : undefined,
  });
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** The `/v1/*` routes answer in Anthropic's own envelope: `{type: 'error', error: {type, message}}`. */
function anthropicMessage(body: Record<string, unknown> | undefined): string | undefined {
  const error = body?.error;
  if (typeof error !== 'object' || error === null || !('message' in error)) return undefined;
  return typeof error.message === 'string' ? error.message : undefined;
}
