import { lenient } from 'claude-agent-protocol';
import { z } from 'zod';

export type Json = Record<string, unknown>;
/** The named schemas of the document, collected while it is written. */
export type Schemas = Record<string, Json>;

/** A JSON schema in which every named part is a reference into `components`. */
export function schemaOf(schema: z.ZodType, io: 'input' | 'output', components: Schemas): Json {
  const {
    $schema: _,
    $defs,
    ...json
  } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      if (io === 'input' && zodSchema._zod.def.type === 'object') describeForm(zodSchema, jsonSchema);
    },
  }) as Json;
  for (const [name, definition] of Object.entries(($defs as Record<string, Json>) ?? {})) {
    components[name] = toReferences(definition);
  }
  // A schema with a name of its own is among the definitions already; here it is only referred to.
  return toReferences(json);
}

/** What `form.ts` does with every request: null stands for absent, and a field that is not known is refused. */
function describeForm(schema: z.core.$ZodType, json: Json): void {
  const { properties = {}, required = [] } = json as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  if (json.additionalProperties === undefined && !lenient.has(schema)) json.additionalProperties = false;
  for (const [name, property] of Object.entries(properties)) {
    if (required.includes(name) || allowsNull(property)) continue;
    properties[name] = nullable(property);
  }
}

function nullable(property: Json): Json {
  if (typeof property.type === 'string' && !('enum' in property) && !('const' in property)) {
    return { ...property, type: [property.type, 'null'] };
  }
  const { description, default: standard, ...form } = property;
  return {
    ...(description !== undefined && { description }),
    ...(standard !== undefined && { default: standard }),
    anyOf: [form, { type: 'null' }],
  };
}

const allowsNull = ({ anyOf }: Json): boolean =>
  Array.isArray(anyOf) && anyOf.some((each: Json) => each.type === 'null');

/** `#/$defs/X` becomes `#/components/schemas/X`; the `id` that zod adds to a named schema is its name here. */
function toReferences(schema: Json): Json {
  const { id: _, ...rest } = schema;
  return JSON.parse(JSON.stringify(rest).replaceAll('"#/$defs/', '"#/components/schemas/')) as Json;
}
