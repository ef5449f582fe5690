import { AnthropicError, Problem, problemsOf, type RouteSpec } from 'claude-agent-protocol';
import { ERROR_TYPES, errorType } from 'claude-agent-protocol/anthropic-errors';
import { type ProblemCode, problems } from 'claude-agent-protocol/problems';
import { type Json, type Schemas, schemaOf } from './schemas.ts';

/** Headers that come with failures of a status. */
const HEADERS: Readonly<Record<number, Json>> = {
  405: header('Allow', 'The methods that the path supports'),
  415: header('Accept-Encoding', 'The encodings that the server supports'),
  429: header('Retry-After', 'Seconds to wait before the next attempt'),
  503: header('Retry-After', 'Seconds to wait before the next attempt'),
  529: header('Retry-After', 'Seconds to wait before the next attempt'),
};

function header(name: string, description: string): Json {
  return { headers: { [name]: { description, schema: { type: 'string' } } } };
}

/** Every failure of a route, by status, with the codes that it can have. */
export function failuresOf(spec: RouteSpec, schemas: Schemas): Record<string, Json> {
  const byStatus = spec.anthropic ? anthropicFailures(schemas) : problemFailures(spec, schemas);
  return Object.fromEntries(
    byStatus.map(([status, response]) => [status, { ...response, ...HEADERS[status] }]),
  );
}

function problemFailures(spec: RouteSpec, schemas: Schemas): [number, Json][] {
  const declared = problemsOf(spec);
  // In the catalogue's order, whatever the route's own is.
  const codes = (Object.keys(problems) as ProblemCode[]).filter((code) => declared.has(code));
  const byStatus = Map.groupBy(codes, (code) => problems[code].status);
  const problem = schemaOf(Problem, 'output', schemas);
  return [...byStatus].map(([status, those]) => [
    status,
    {
      description: those.map((code) => `- \`${code}\`: ${problems[code].summary}`).join('\n'),
      content: {
        'application/problem+json': {
          schema: { allOf: [problem, { type: 'object', properties: { code: { enum: those } } }] },
        },
      },
    },
  ]);
}

/** What the server itself answers under `/v1/` besides Anthropic's own statuses. */
const MORE_STATUSES = [405, 415, 503];

function anthropicFailures(schemas: Schemas): [number, Json][] {
  const error = schemaOf(AnthropicError, 'output', schemas);
  return [...Object.keys(ERROR_TYPES).map(Number), ...MORE_STATUSES].map((status) => [
    status,
    {
      description: `Anthropic's error envelope: \`${errorType(status)}\``,
      content: { 'application/json': { schema: error } },
    },
  ]);
}

/**
 * Most routes fail alike: the commonest answer of each status goes into `components.responses`, and routes refer to
 * it. Changes the operations; returns the components.
 */
export function shareFailures(
  operations: readonly { responses: Record<string, Json> }[],
): Record<string, Json> {
  const shared: Record<string, Json> = {};
  const all = operations.flatMap(({ responses }) => Object.entries(responses));
  for (const [status, answers] of Map.groupBy(all, ([status]) => status)) {
    if (Number(status) < 400) continue;
    const alike = [...Map.groupBy(answers, ([, answer]) => JSON.stringify(answer)).values()];
    const [commonest] = alike.sort((a, b) => b.length - a.length);
    const answer = commonest?.[0]?.[1];
    if (!answer || (commonest?.length ?? 0) < 2) continue;
    const name = `Failure${status}`;
    shared[name] = answer;
    const text = JSON.stringify(answer);
    for (const { responses } of operations) {
      if (JSON.stringify(responses[status]) === text)
        responses[status] = { $ref: `#/components/responses/${name}` };
    }
  }
  return shared;
}
