import fc from 'fast-check';
import { z } from 'zod';

/** The part of JSON Schema that the contract's schemas come out as. */
interface Schema {
  $ref?: string;
  $defs?: Record<string, Schema>;
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  propertyNames?: Schema;
  additionalProperties?: Schema | boolean;
  items?: Schema;
  minItems?: number;
  minLength?: number;
  maxLength?: number;
  format?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
}

/** Arbitraries by property name, for values that must mean something: ids that exist, folders. */
export type Hints = Record<string, fc.Arbitrary<unknown>>;

/** Texts that programs stumble over. */
export const oddText: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.string() },
  { weight: 4, arbitrary: fc.string({ unit: 'binary' }) },
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      '\0',
      'a\0b',
      '\ud800',
      '\u202e\u0000\uffff',
      '__proto__',
      'constructor',
      '../../../etc/passwd',
      '/',
      '-1',
      '--version',
      "'; drop table sessions; --",
      '\r\nx-injected: 1',
      '%00%2e%2e',
      '{session_id}',
      'null',
      'NaN',
      '1e999',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(300, 300, 5_000, 100_000).map((length) => 'long '.repeat(length / 5)),
  },
);

/** Any JSON, with members that have a meaning to JavaScript now and then. */
export const anyJson: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  oddText,
  fc.dictionary(oddText, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 4 }),
);

/** What a schema of the contract accepts. */
export function validFor(schema: z.ZodType, hints: Hints = {}): fc.Arbitrary<unknown> {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Schema;
  // Rules that JSON Schema cannot say, such as "not only spaces", are left to the schema itself.
  return arbitraryOf(root, root.$defs ?? {}, hints).filter((value) => schema.safeParse(value).success);
}

/** What a schema accepts, with one thing in it changed for something else: mostly wrong, now and then not. */
export function nearlyValidFor(schema: z.ZodType, hints: Hints = {}): fc.Arbitrary<unknown> {
  return fc
    .tuple(validFor(schema, hints), anyJson, fc.nat(), fc.boolean())
    .map(([value, other, where, remove]) => {
      if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) return other;
      const copy = structuredClone(value) as Record<string, unknown>;
      let spot = copy;
      for (let step = where; ; step = Math.floor(step / 3)) {
        const names = Object.keys(spot);
        const name = names[step % names.length] ?? '';
        const inside = spot[name];
        const deeper = typeof inside === 'object' && inside !== null && Object.keys(inside).length > 0;
        if (deeper && step % 2 === 1) {
          spot = inside as Record<string, unknown>;
          continue;
        }
        if (remove) delete spot[name];
        else spot[name] = other;
        return copy;
      }
    });
}

function arbitraryOf(schema: Schema, defs: Record<string, Schema>, hints: Hints): fc.Arbitrary<unknown> {
  const inner = (part: Schema): fc.Arbitrary<unknown> => arbitraryOf(part, defs, hints);
  if (schema.$ref) return inner(defs[schema.$ref.replace('#/$defs/', '')] ?? {});
  if ('const' in schema) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return fc.oneof(...choices.map(inner));
  if (Array.isArray(schema.type)) return fc.oneof(...schema.type.map((type) => inner({ ...schema, type })));
  switch (schema.type) {
    case 'object':
      return objectOf(schema, inner, hints);
    case 'array':
      return fc.array(inner(schema.items ?? {}), { minLength: schema.minItems ?? 0, maxLength: 4 });
    case 'string':
      return textFor(schema);
    case 'integer':
      return fc.integer({
        min: schema.minimum ?? -1_000,
        max: Math.min(schema.maximum ?? 1_000, 0x7fffffff),
      });
    case 'number':
      return fc.double({
        min: schema.minimum ?? schema.exclusiveMinimum ?? -1_000,
        minExcluded: schema.exclusiveMinimum !== undefined,
        max: Math.min(schema.maximum ?? 1_000, 1_000_000),
        noNaN: true,
      });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return anyJson;
  }
}

function objectOf(
  { properties = {}, required = [], propertyNames, additionalProperties }: Schema,
  inner: (part: Schema) => fc.Arbitrary<unknown>,
  hints: Hints,
): fc.Arbitrary<unknown> {
  const known = fc.record(
    Object.fromEntries(Object.entries(properties).map(([name, part]) => [name, hints[name] ?? inner(part)])),
    { requiredKeys: required },
  );
  if (!additionalProperties) return known;
  const values = additionalProperties === true ? anyJson : inner(additionalProperties);
  const names = propertyNames ? textFor(propertyNames) : fc.string();
  return fc
    .tuple(fc.dictionary(names, values, { maxKeys: 3 }), known)
    .map(([more, fields]) => ({ ...more, ...fields }));
}

function textFor({ format, pattern, minLength = 0, maxLength }: Schema): fc.Arbitrary<string> {
  if (format === 'uuid') return fc.uuid();
  if (format === 'uri') return fc.webUrl();
  // Numbers in a query: mostly small, as their limits are.
  if (pattern === '^\\d{1,15}$') return fc.oneof(fc.nat({ max: 1_000 }), fc.nat()).map(String);
  if (pattern) return fc.stringMatching(new RegExp(pattern));
  return oddText.map((text) => text.slice(0, maxLength)).filter((text) => text.length >= minLength);
}
