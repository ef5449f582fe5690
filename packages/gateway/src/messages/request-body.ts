import { refuse } from './errors.ts';
import { restoreThoughts } from './hidden-thoughts.ts';
import { mergeTurns } from './merge-turns.ts';
import { parseRequest } from './parse.ts';
import { type Span, topLevelFields } from './top-level.ts';
import type { JsonObject, MessagesRequest } from './types.ts';

/** A request's body, understood no further than somebody asks. */
export interface RequestBody {
  /** As it came. */
  readonly bytes: Buffer;
  readonly text: string;
  readonly model: string;
  readonly stream: boolean;
  /** `metadata.user_id`. */
  readonly userId: string | undefined;
  /** The whole of it; a 400 when it is no JSON object. */
  json(): JsonObject;
  /** Checked as far as a translation needs; a 400 when it is no Messages request. */
  request(): MessagesRequest;
  /** The same text with another model: the 42 KB around the name are not written anew. */
  withModel(model: string): string;
}

const wanted = ['model', 'stream', 'metadata', 'tools'] as const;

/** Reads what every request has to have: a model. Throws a 400 that says what is wrong. */
export type ReadBody = (bytes: Buffer) => RequestBody;

/**
 * An agent sends the same 30 KB of tools with every request. They are parsed once and then the same, frozen objects,
 * which lets a translation keep what it made of them (`providers/shared/remember.ts`).
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
    refuse(400, 'The request body has to be a JSON object.');
  }
  return value as JsonObject;
}

/** Lists of tools that are kept, the oldest forgotten first: about 5 MB when all are as large as Claude Code's. */
const mostLists = 32;

/** Shorter ones are parsed quicker than they are looked up, longer ones would fill the memory. */
const leastLength = 1_024;
const mostLength = 262_144;

function createToolParser(): (text: string) => unknown {
  const known = new Map<string, unknown>();
  return (text) => {
    if (text.length < leastLength || text.length > mostLength) return undefined;
    const before = known.get(text);
    if (before !== undefined) return before;
    let tools: unknown;
    try {
      tools = deepFreeze(JSON.parse(text));
    } catch {
      return undefined;
    }
    // A copy, because a slice keeps the whole request that it was cut from.
    known.set(Buffer.from(text).toString(), tools);
    const oldest = known.keys().next().value;
    if (known.size > mostLists && oldest !== undefined) known.delete(oldest);
    return tools;
  };
}

function deepFreeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
