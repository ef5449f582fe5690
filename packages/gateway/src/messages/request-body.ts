import { refuse } from './errors.ts';
import { restoreThoughts } from './hidden-thoughts.ts';
import { mergeTurns } from './merge-turns.ts';
import { parseRequest } from './parse.ts';
import { type Span, topLevelFields } from './top-level.ts';
import type { JsonObject, MessagesRequest } from './types.ts';

/** A request's body, parsed no further than its use requires. */
export interface RequestBody {
  /** The body as it was received. */
  readonly bytes: Buffer;
  readonly text: string;
  readonly model: string;
  readonly stream: boolean;
  /** `metadata.user_id`. */
  readonly userId: string | undefined;
  /** The whole body as JSON; throws a 400 when it is not a JSON object. */
  json(): JsonObject;
  /** Validated as far as a translation needs; throws a 400 when it is not a Messages request. */
  request(): MessagesRequest;
  /** The same text with another model name; everything around the name stays byte for byte. */
  withModel(model: string): string;
}

const wanted = ['model', 'stream', 'metadata', 'tools'] as const;

/** Reads a request's model. Throws a 400 that says what is wrong. */
type ReadBody = (bytes: Buffer) => RequestBody;

/**
 * An agent sends the same 30 KB of tools with every request. They are parsed once into frozen objects, which every
 * later request shares, so that a translation can cache its result (`providers/shared/memoize.ts`).
 *
 * Parsing the whole body of every request instead was measured at 16 connections: 0.15 ms of processor time instead of
 * 0.10 for a pass-through, and 0.60 instead of 0.17 for a translation, where the tools are then converted each time.
 */
export function createBodyReader(): ReadBody {
  const parseTools = createToolParser();
  return (bytes) => readBody(bytes, parseTools);
}

function readBody(bytes: Buffer, parseTools: (text: string) => unknown): RequestBody {
  const text = bytes.toString();
  const spans = topLevelFields(text, wanted);
  let parsed: JsonObject | undefined;
  let request: MessagesRequest | undefined;

  const json = (): JsonObject => {
    parsed ??= spans?.tools ? parseWithTools(spans.tools) : parseObject(text);
    return parsed;
  };
  const parseWithTools = ({ start, end }: Span): JsonObject => {
    const tools = parseTools(text.slice(start, end));
    if (tools === undefined) return parseObject(text);
    return { ...parseObject(`${text.slice(0, start)}null${text.slice(end)}`), tools };
  };
  const field = (name: (typeof wanted)[number]): unknown => {
    if (!spans || parsed) return json()[name];
    const span = spans[name];
    if (!span) return undefined;
    try {
      return JSON.parse(text.slice(span.start, span.end)) as unknown;
    } catch {
      return refuse(400, notJson);
    }
  };

  const model = field('model');
  if (typeof model !== 'string' || model === '') return refuse(400, 'model: Field required');
  const metadata = field('metadata') as { user_id?: unknown } | null | undefined;
  const userId = metadata?.user_id;
  return {
    bytes,
    text,
    model,
    stream: field('stream') === true,
    userId: typeof userId === 'string' ? userId : undefined,
    json,
    request() {
      request ??= mergeTurns(restoreThoughts(parseRequest(json()), text));
      return request;
    },
    withModel(other) {
      const span = spans?.model;
      if (!span) return JSON.stringify({ ...json(), model: other });
      return `${text.slice(0, span.start)}${JSON.stringify(other)}${text.slice(span.end)}`;
    },
  };
}

const notJson = 'The request body is not valid JSON.';

function parseObject(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    refuse(400, notJson);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    refuse(400, 'The request body must be a JSON object.');
  }
  return value as JsonObject;
}

/** Cached lists of tools; the oldest is evicted first. About 5 MB when all are as large as Claude Code's. */
const maxLists = 32;

/** A shorter list is parsed faster than it is looked up; longer ones would take too much memory. */
const minLength = 1_024;
const maxLength = 262_144;

function createToolParser(): (text: string) => unknown {
  const cached = new Map<string, unknown>();
  return (text) => {
    if (text.length < minLength || text.length > maxLength) return undefined;
    const hit = cached.get(text);
    if (hit !== undefined) return hit;
    let tools: unknown;
    try {
      tools = deepFreeze(JSON.parse(text));
    } catch {
      return undefined;
    }
    // A copy, because a slice keeps the whole request in memory.
    cached.set(Buffer.from(text).toString(), tools);
    const oldest = cached.keys().next().value;
    if (cached.size > maxLists && oldest !== undefined) cached.delete(oldest);
    return tools;
  };
}

function deepFreeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
