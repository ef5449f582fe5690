import { statusOfType } from 'claude-agent-protocol/anthropic-errors';
import { type Failure, failure } from '../messages/errors.ts';
import { isObject } from '../messages/is-object.ts';
import type { TransportError } from '../transport/transport.ts';

/** What an upstream answered instead of a message. */
export interface UpstreamFailure {
  status: number;
  message: string;
  /** The upstream's own word for it (`context_length_exceeded`, say). */
  code?: string;
  /** The field of the request that it is about (`reasoning.summary`, say). */
  param?: string;
  headers: Record<string, string>;
  /** The upstream speaks Anthropic's dialect: its own type is kept. */
  type?: string;
}

/** Thrown by a provider before the first event; the routing decides what happens next. */
export class UpstreamError extends Error {
  readonly upstream: UpstreamFailure;
  constructor(upstream: UpstreamFailure) {
    super(upstream.message);
    this.upstream = upstream;
  }
}

/** Reads the error out of an upstream's body, whatever its shape. */
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

/** Gemini and xAI answer 400 to a key that is wrong or has expired. */
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

/** The error object of a body or of a chunk in mid-stream. */
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

/** The words of others than Anthropic for a status: in mid-stream an error comes without one. */
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

const overflowWords =
  /context[_ ]length|context window|maximum context|max(imum)? (prompt|context|model) length|prompt is too long|prompt too long|too many (input )?tokens|input is too long|input length|input token count|reduce the length|available context size|exceeds? the (model'?s )?(context|max(imum)? (number of )?(input )?tokens)|exceed_context_size|too large for model|input tokens exceeded|too_many_prompt_tokens|exceeded model token limit|exceeds max length|prompt token count of|`inputs` (tokens \+|must have less than)/i;

/** Too many tokens in a minute, not in a prompt; `rate` is part of many a word (`generate`). */
const rateWords = /\brate\b|\brate_?limit|quota|per minute|\bTPM\b/i;

export function isOverflow(upstream: UpstreamFailure): boolean {
  if (
    upstream.status !== 400 &&
    upstream.status !== 413 &&
    upstream.status !== 422 &&
    upstream.status < 500
  ) {
    return false;
  }
  if (rateWords.test(upstream.message) && !/context/i.test(upstream.message)) return false;
  return overflowWords.test(upstream.message) || overflowWords.test(upstream.code ?? '');
}

/** Claude's 400 to a turn with tool calls that does not begin with its thoughts, though thinking is on. */
export const thinkingMissing = /expected `?thinking`? or `?redacted_thinking/i;
/** Claude's 400 to thoughts that another has signed, or of which some were left out. */
export const thoughtsRefused = /signature|thinking`? blocks[^.]* cannot be modified/i;

interface Numbers {
  input: number;
  output: number | undefined;
  limit: number;
}

const number = '([\\d][\\d,_]*)';
const toNumber = (text: string | undefined): number => Number((text ?? '0').replace(/[,_]/g, ''));

/** The parts of a total: "7000 in the messages, 500 in the functions, 2000 in the completion". */
function addParts(text: string): Omit<Numbers, 'limit'> {
  let input = 0;
  let output: number | undefined;
  for (const [, amount, kind = ''] of text.matchAll(new RegExp(`${number}([^\\d]*)`, 'g'))) {
    if (/completion|output/i.test(kind)) output = (output ?? 0) + toNumber(amount);
    else input += toNumber(amount);
  }
  return { input, output };
}

/** OpenAI, vLLM, DeepSeek, OpenRouter: limit, total, and often the parts. */
const withParts = new RegExp(
  `maximum context length (?:is|of) ${number}\\D+${number} tokens?(?: \\(|: )(${number} [^).]*)`,
  'i',
);

const forms: { pattern: RegExp; read(groups: number[]): Numbers }[] = [
  {
    pattern: new RegExp(
      `(?:maximum context length|max(?:imum)? prompt length|context window)\\D*?${number}\\D+${number}`,
      'i',
    ),
    read: ([limit = 0, input = 0]) => ({ input, output: undefined, limit }),
  },
  // Copilot: "prompt token count of A exceeds the limit of B".
  {
    pattern: new RegExp(`prompt token count of ${number} exceeds the limit of ${number}`, 'i'),
    read: ([input = 0, limit = 0]) => ({ input, output: undefined, limit }),
  },
  // Kimi says the limit alone.
  {
    pattern: new RegExp(`exceeded model token limit:? ${number}`, 'i'),
    read: ([limit = 0]) => ({ input: 0, output: undefined, limit }),
  },
  // Fireworks: "The prompt is too long: N, model maximum context length: M".
  {
    pattern: new RegExp(`prompt is too long: ${number},? model maximum context length: ${number}`, 'i'),
    read: ([input = 0, limit = 0]) => ({ input, output: undefined, limit }),
  },
  // TGI, Together.
  {
    pattern: new RegExp(
      `\`inputs\` tokens \\+ \`max_new_tokens\` must be <= ${number}\\D+${number} \`inputs\` tokens and ${number}`,
      'i',
    ),
    read: ([limit = 0, input = 0, output = 0]) => ({ input, output, limit }),
  },
  {
    pattern: new RegExp(`\`inputs\` must have less than ${number} tokens\\D+${number}`, 'i'),
    read: ([limit = 0, input = 0]) => ({ input, output: undefined, limit }),
  },
  // Cohere.
  {
    pattern: new RegExp(`cannot exceed ${number} - received ${number}`, 'i'),
    read: ([limit = 0, input = 0]) => ({ input, output: undefined, limit }),
  },
  // Gemini: tokens, then limit.
  {
    pattern: new RegExp(`input token count \\(?${number}\\)?\\D+${number}`, 'i'),
    read: ([input = 0, limit = 0]) => ({ input, output: undefined, limit }),
  },
  // Anthropic's own words.
  {
    pattern: new RegExp(`prompt is too long: ${number} tokens > ${number}`, 'i'),
    read: ([input = 0, limit = 0]) => ({ input, output: undefined, limit }),
  },
  {
    pattern: new RegExp(`contains ${number} tokens.*?with ${number} maximum`, 'i'),
    read: ([input = 0, limit = 0]) => ({ input, output: undefined, limit }),
  },
  // Mistral: "Prompt contains N tokens ... M maximum context length"; llama.cpp: "request (N tokens) exceeds ... (M tokens)".
  {
    pattern: new RegExp(`(?:contains|request) \\(?${number} tokens\\D+${number}`, 'i'),
    read: ([input = 0, limit = 0]) => ({ input, output: undefined, limit }),
  },
];

function numbersIn(message: string): Numbers | undefined {
  const parts = withParts.exec(message);
  if (parts) {
    const numbers = { ...addParts(parts[3] ?? ''), limit: toNumber(parts[1]) };
    if (numbers.limit > 0 && numbers.input > 0) return numbers;
  }
  for (const form of forms) {
    const match = form.pattern.exec(message);
    if (!match) continue;
    const numbers = form.read(match.slice(1).map(toNumber));
    if (numbers.limit > 0) return numbers;
  }
  return undefined;
}

export interface OverflowFacts {
  inputTokens: number;
  maxTokens: number | undefined;
  context: number | undefined;
}

/** The sentence that makes the client compact or ask for less: it reads the numbers. */
function overflowMessage(message: string, facts: OverflowFacts): string {
  const found = numbersIn(message);
  const limit = found?.limit ?? facts.context ?? facts.inputTokens;
  const output = found?.output ?? (found && found.input < limit ? facts.maxTokens : undefined);
  // A provider that counts prompt and answer together: the prompt alone would fit.
  if (
    found &&
    found.input > 0 &&
    output !== undefined &&
    found.input < limit &&
    found.input + output > limit
  ) {
    return `input length and \`max_tokens\` exceed context limit: ${found.input} + ${output} > ${limit}, decrease input length or \`max_tokens\` and try again`;
  }
  const input = found?.input || facts.inputTokens;
  return `prompt is too long: ${Math.max(input, limit + 1)} tokens > ${limit} maximum`;
}

/** Seconds to wait, from any of the headers that providers use. */
export function retryAfter(headers: Record<string, string>, now: number = Date.now()): number | undefined {
  const milliseconds = Number(headers['retry-after-ms']);
  if (milliseconds > 0) return Math.ceil(milliseconds / 1000);
  const value = headers['retry-after'];
  if (value === undefined) return undefined;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, Math.ceil(seconds));
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000));
}

/** What the client is told about an upstream's failure. */
export function toFailure(
  upstream: UpstreamFailure,
  provider: string,
  keyHint: string,
  facts: OverflowFacts,
): Failure {
  if (isOverflow(upstream)) return failure(400, overflowMessage(upstream.message, facts));
  const { status, message } = upstream;
  const says = `${provider}: ${message}`;
  const wait = retryAfter(upstream.headers);
  switch (status) {
    case 401: {
      const hint = `${says} (Check the key that the gateway has for ${provider}: ${keyHint}.)`;
      // To Claude Code a 401 is its own key's fault, which it reads anew and tries for minutes; this one is not.
      return { ...failure(401, hint), final: true };
    }
    case 402:
      return failure(402, `${says} (The account at ${provider} has to be paid up.)`);
    case 403:
    case 404:
    case 413:
      return failure(status, says);
    case 429:
      return failure(429, says, wait ?? 5);
    case 408:
    case 504:
    case 524:
      return failure(504, says);
    case 503:
    case 529:
      return failure(529, says, wait);
    default:
      if (status >= 500) return failure(status === 500 ? 500 : 502, says, wait);
      return failure(status >= 400 ? 400 : 502, says);
  }
}

/** A failure of the connection, as if the upstream had answered it. */
export function fromTransport(error: TransportError, provider: string): UpstreamFailure {
  if (error.kind === 'timeout') {
    return { status: 504, message: `${provider} did not answer in time (${error.message})`, headers: {} };
  }
  return { status: 502, message: `${provider} cannot be reached (${error.message})`, headers: {} };
}
