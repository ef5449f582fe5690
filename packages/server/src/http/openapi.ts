import { lenient, type RouteSpec, routes } from 'claude-agent-protocol';
import { z } from 'zod';

type Json = Record<string, unknown>;

/** The OpenAPI 3.1 document of the contract. */
export function openApiDocument(version: string): Json {
  const components: Record<string, Json> = {};
  const paths: Record<string, Json> = {};
  for (const [operationId, spec] of Object.entries(routes) as [string, RouteSpec][]) {
    paths[spec.path] = {
      ...paths[spec.path],
      [spec.method.toLowerCase()]: operation(operationId, spec, components),
    };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'claude-agent-server',
      version,
      description: 'Durable agent sessions over HTTP, on the Claude Agent SDK.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, { apiKey: [] }, {}],
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(components).sort(([a], [b]) => (a < b ? -1 : 1))),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
    },
  };
}

function operation(operationId: string, spec: RouteSpec, components: Record<string, Json>): Json {
  const parameters = [
    ...parametersIn('path', spec.params, components),
    ...parametersIn('query', spec.query, components),
    // Accept is described by the response's media types; OpenAPI wants it left out here.
    ...parametersIn('header', spec.headers, components).filter((parameter) => parameter.name !== 'accept'),
  ];
  return {
    operationId,
    tags: [spec.tag],
    summary: spec.summary,
    ...(parameters.length > 0 && { parameters }),
    ...(spec.body && {
      requestBody: {
        required: spec.bodyRequired ?? true,
        content: { 'application/json': { schema: schemaOf(spec.body, 'input', components) } },
      },
    }),
    responses: Object.fromEntries(
      Object.entries(spec.responses).map(([status, { description, schema, media }]) => [
        status,
        {
          description,
          ...((schema || media) && {
            content: Object.fromEntries(
              (media ?? ['application/json']).map((type) => [
                type,
                schema && type.endsWith('json') ? { schema: schemaOf(schema, 'output', components) } : {},
              ]),
            ),
          }),
        },
      ]),
    ),
    ...(spec.open && { security: [] }),
  };
}

function parametersIn(
  place: string,
  schema: z.ZodObject | undefined,
  components: Record<string, Json>,
): Json[] {
  if (!schema) return [];
  return Object.entries(schema.shape).map(([name, field]) => ({
    name,
    in: place,
    required: place === 'path' || !(field as z.ZodType).safeParse(undefined).success,
    ...parameter(field as z.ZodType, components),
  }));
}

/** Its text is described as what it stands for: a whole number, most often. */
function parameter(field: z.ZodType, components: Record<string, Json>): Json {
  const read = schemaOf(field, 'output', components);
  const schema = read.type === 'integer' ? read : schemaOf(field, 'input', components);
  const { description, ...form } = schema;
  return { ...(description !== undefined && { description }), schema: form };
}

/** A JSON schema in which every named part is a reference into `components`. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output', components: Record<string, Json>): Json {
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
