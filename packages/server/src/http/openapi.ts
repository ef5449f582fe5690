import { type ResponseSpec, type RouteSpec, rolesFor, routes } from 'claude-agent-protocol';
import type { z } from 'zod';
import { failuresOf, shareFailures } from './openapi/failures.ts';
import { type Json, type Schemas, schemaOf } from './openapi/schemas.ts';

interface Operation extends Json {
  responses: Record<string, Json>;
}

/** The OpenAPI 3.1 document of the contract. */
export function openApiDocument(version: string): Json {
  const schemas: Schemas = {};
  const paths: Record<string, Record<string, Operation>> = {};
  for (const [operationId, spec] of Object.entries(routes) as [string, RouteSpec][]) {
    paths[spec.path] = {
      ...paths[spec.path],
      [spec.method.toLowerCase()]: operation(operationId, spec, schemas),
    };
  }
  const responses = shareFailures(Object.values(paths).flatMap((methods) => Object.values(methods)));
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
      schemas: sorted(schemas),
      responses: sorted(responses),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
    },
  };
}

const sorted = (byName: Record<string, Json>): Record<string, Json> =>
  Object.fromEntries(Object.entries(byName).sort(([a], [b]) => (a < b ? -1 : 1)));

function operation(operationId: string, spec: RouteSpec, schemas: Schemas): Operation {
  const parameters = [
    ...parametersIn('path', spec.params, schemas),
    ...parametersIn('query', spec.query, schemas),
    // The response's media types describe Accept; OpenAPI wants it left out here.
    ...parametersIn('header', spec.headers, schemas).filter((parameter) => parameter.name !== 'accept'),
  ];
  const answers = Object.entries(spec.responses) as [string, ResponseSpec][];
  return {
    operationId,
    tags: [spec.tag],
    summary: spec.summary,
    ...(parameters.length > 0 && { parameters }),
    ...(spec.body && {
      requestBody: {
        required: spec.bodyRequired ?? true,
        content: { 'application/json': { schema: schemaOf(spec.body, 'input', schemas) } },
      },
    }),
    responses: {
      ...Object.fromEntries(answers.map(([status, answer]) => [status, responseOf(answer, schemas)])),
      ...failuresOf(spec, schemas),
    },
    ...(spec.access === 'open' ? { security: [] } : { 'x-roles': rolesFor(spec.access.may) }),
  };
}

function responseOf({ description, schema, frames, media, headers }: ResponseSpec, schemas: Schemas): Json {
  const content = {
    ...(schema && { 'application/json': { schema: schemaOf(schema, 'output', schemas) } }),
    ...(frames && { 'text/event-stream': { schema: schemaOf(frames, 'output', schemas) } }),
    ...(media !== undefined && { [media]: {} }),
  };
  return {
    description,
    ...(headers && {
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, meaning]) => [
          name,
          { description: meaning, schema: { type: 'string' } },
        ]),
      ),
    }),
    ...(Object.keys(content).length > 0 && { content }),
  };
}

function parametersIn(place: string, schema: z.ZodObject | undefined, schemas: Schemas): Json[] {
  if (!schema) return [];
  return Object.entries(schema.shape).map(([name, field]) => ({
    name,
    in: place,
    required: place === 'path' || !(field as z.ZodType).safeParse(undefined).success,
    ...parameter(field as z.ZodType, schemas),
  }));
}

/** A query parameter is described by its parsed type, most often an integer. */
function parameter(field: z.ZodType, schemas: Schemas): Json {
  const read = schemaOf(field, 'output', schemas);
  const schema = read.type === 'integer' ? read : schemaOf(field, 'input', schemas);
  const { description, ...form } = schema;
  return { ...(description !== undefined && { description }), schema: form };
}
