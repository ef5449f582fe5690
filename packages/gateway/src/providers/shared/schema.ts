import { isObject } from '../../messages/is-object.ts';
import type { JsonObject } from '../../messages/types.ts';

/**
 * A tool's schema in the form that all providers accept: an object type with `properties`. They refuse a union at the
 * top level, so its branches are merged: all properties, required if all branches require them.
 */
export function toolSchema(schema: JsonObject | undefined): JsonObject {
  const { $schema: _dialect, ...rest } = schema ?? {};
  const branches = ['anyOf', 'oneOf', 'allOf'].filter((key) => Array.isArray(rest[key]));
  if (branches.length === 0) {
    return rest.type === 'object' && isObject(rest.properties)
      ? rest
      : { ...rest, type: 'object', properties: isObject(rest.properties) ? rest.properties : {} };
  }
  const merged: JsonObject = { ...rest, type: 'object' };
  const properties: JsonObject = isObject(rest.properties) ? { ...rest.properties } : {};
  const required = new Set(Array.isArray(rest.required) ? (rest.required as string[]) : []);
  for (const key of branches) {
    delete merged[key];
    const parts = (rest[key] as unknown[]).filter(isObject);
    for (const part of parts) if (isObject(part.properties)) Object.assign(properties, part.properties);
    const lists = parts.map(
      (part) => new Set(Array.isArray(part.required) ? (part.required as string[]) : []),
    );
    for (const name of new Set(lists.flatMap((list) => [...list]))) {
      if (key === 'allOf' || lists.every((list) => list.has(name))) required.add(name);
    }
  }
  merged.properties = properties;
  if (required.size > 0) merged.required = [...required];
  return merged;
}

/** The schema keywords that OpenAI's strict mode supports; it refuses all others. */
const strictKeys = new Set([
  '$schema',
  '$ref',
  '$defs',
  'definitions',
  'title',
  'description',
  'type',
  'properties',
  'required',
  'additionalProperties',
  'items',
  'anyOf',
  'enum',
  'const',
  'pattern',
  'format',
  'multipleOf',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'minItems',
  'maxItems',
]);

/**
 * Whether OpenAI's strict mode accepts a schema: an object at the top, and all objects closed, without optional
 * properties.
 */
export function isStrictSchema(schema: JsonObject): boolean {
  return schema.type === 'object' && isStrictPart(schema);
}

function isStrictPart(schema: unknown): boolean {
  if (!isObject(schema)) return false;
  if (!Object.keys(schema).every((key) => strictKeys.has(key))) return false;
  if (schema.type === undefined && schema.$ref === undefined && schema.anyOf === undefined) return false;
  const properties = isObject(schema.properties) ? schema.properties : {};
  if (
    schema.type === 'object' ||
    schema.properties !== undefined ||
    [schema.type].flat().includes('object')
  ) {
    const required = new Set(Array.isArray(schema.required) ? schema.required : []);
    if (schema.additionalProperties !== false) return false;
    if (!Object.keys(properties).every((name) => required.has(name))) return false;
  }
  const maps = [properties, schema.$defs, schema.definitions].filter(isObject);
  const parts = [...maps.flatMap((map) => Object.values(map)), ...[schema.anyOf ?? []].flat()];
  return parts.every(isStrictPart) && (schema.items === undefined || isStrictPart(schema.items));
}
