import { lenient } from 'claude-agent-protocol';
import type { FieldError } from 'claude-agent-protocol/problems';
import type { z } from 'zod';
import { nearest } from '../nearest.ts';

/** A request's value as its schema should see it, and its unknown fields. */
export interface Form {
  value: unknown;
  unknown: FieldError[];
}

/**
 * Normalizes a value by its schema, at every depth, with two rules for all routes:
 * - An explicit `null` for an optional field counts as absent: many clients (Python's among them) write every field
 *   they have.
 * - An unknown field is an error, most often a misspelling: ignored, it would be an option without effect.
 */
export function readForm(schema: z.core.$ZodType, value: unknown, path: string): Form {
  const unknown: FieldError[] = [];
  return { value: read(schema, value, [path], unknown), unknown };
}

function read(schema: z.core.$ZodType, value: unknown, path: string[], unknown: FieldError[]): unknown {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'default':
      return read(def.innerType, value, path, unknown);
    case 'pipe':
      return read(def.in, value, path, unknown);
    case 'array':
      if (!Array.isArray(value)) return value;
      return value.map((item, at) => read(def.element, item, [...path, String(at)], unknown));
    case 'record':
      return mapMembers(value, (item, name) => read(def.valueType, item, [...path, name], unknown));
    case 'union':
      return readUnion(def.options, value, path, unknown);
    case 'object':
      // A schema that allows further fields keeps them; the others report them.
      if (!def.catchall && !lenient.has(schema)) findUnknown(value, Object.keys(def.shape), path, unknown);
      return mapMembers(value, (item, key) => {
        const field = Object.hasOwn(def.shape, key) ? def.shape[key] : undefined;
        if (!field) return item;
        if (item === null && isOptional(field)) return undefined;
        return read(field, item, [...path, key], unknown);
      });
    default:
      return value;
  }
}

/** The first matching alternative decides which fields are known; if none matches, the schema's own message is better. */
function readUnion(
  options: readonly z.core.$ZodType[],
  value: unknown,
  path: string[],
  unknown: FieldError[],
): unknown {
  for (const option of options) {
    const here: FieldError[] = [];
    const form = read(option, value, path, here);
    if (!parses(option, form)) continue;
    unknown.push(...here);
    return form;
  }
  return value;
}

const parses = (schema: z.core.$ZodType, value: unknown): boolean =>
  (schema as z.ZodType).safeParse(value).success;

const isOptional = (field: z.core.$ZodType): boolean => parses(field, undefined) && !parses(field, null);

/** Drops members that become undefined. Own members only, whatever their name (`__proto__` too). */
function mapMembers(value: unknown, change: (item: unknown, name: string) => unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, item]) => {
      const changed = change(item, name);
      return changed === undefined ? [] : [[name, changed]];
    }),
  );
}

function findUnknown(value: unknown, known: string[], path: string[], unknown: FieldError[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
  for (const field of Object.keys(value)) {
    if (known.includes(field)) continue;
    const meant = nearest(field, known);
    const advice =
      meant === undefined ? `The fields here are ${known.join(', ')}` : `Did you mean "${meant}"?`;
    unknown.push({ path: [...path, field].join('.'), message: `there is no such field. ${advice}` });
  }
}
