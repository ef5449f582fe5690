import type { JsonObject } from '../../messages/types.ts';

/**
 * A tool's schema in the form that everybody takes: an object type at the top with `properties`. Providers refuse a
 * union at the top level, so its branches are merged: every property, required where all branches require it.
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

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
