import { z } from 'zod';
import { endpoints } from '../endpoints.ts';
import { JsonObject, Timestamp } from '../schemas/common.ts';
import { TenantName } from '../schemas/key.ts';
import { UserInput } from '../schemas/message.ts';
import { TotalUsage } from '../schemas/session.ts';
import { route } from './route.ts';

const page = { 200: { description: 'A page', media: 'text/html' } };

const DayUsage = z
  .object({
    day: z.iso.date(),
    tenant: TenantName,
    maker: z
      .string()
      .meta({ description: 'Id of the key whose sessions and calls these are; `local`: none' }),
    model: z.string(),
    input_tokens: z.int(),
    output_tokens: z.int(),
    cache_read_input_tokens: z.int(),
    cache_creation_input_tokens: z.int(),
    cost_usd: z.number(),
  })
  .meta({ id: 'DayUsage' });

/** The server itself: health, usage, documentation. */
export const serverRoutes = {
  getUsage: route({
    ...endpoints.getUsage,
    access: { may: 'read', of: 'tenant' },
    tag: 'server',
    summary: 'Tokens and cost of all sessions',
    responses: { 200: { description: 'Totals so far', schema: TotalUsage } },
    problems: ['storage_failed'],
  }),
  getDailyUsage: route({
    ...endpoints.getDailyUsage,
    access: { may: 'read', of: 'tenant' },
    tag: 'server',
    summary: 'Tokens and cost of each day (of UTC), by model, maker and tenant',
    query: z.object({
      from: z.iso.date().optional().meta({ description: 'First day; default: 29 days before the last' }),
      to: z.iso.date().optional().meta({ description: 'Last day; default: today' }),
    }),
    responses: {
      200: {
        description: 'Of what the caller may see, the oldest day first; days without usage are left out',
        schema: z.object({ from: z.iso.date(), to: z.iso.date(), days: z.array(DayUsage) }),
      },
    },
    problems: ['storage_failed'],
  }),
  health: route({
    ...endpoints.health,
    access: 'open',
    tag: 'server',
    summary: 'Whether the server is alive',
    responses: {
      200: {
        description: 'Yes',
        schema: z.object({ status: z.literal('healthy'), active_sessions: z.int(), timestamp: Timestamp }),
      },
    },
  }),
  ping: route({
    ...endpoints.ping,
    access: 'open',
    tag: 'server',
    summary: 'AgentCore health: busy while a turn or background work runs',
    responses: {
      200: {
        description: 'Alive',
        schema: z.object({ status: z.enum(['Healthy', 'HealthyBusy']), time_of_last_update: z.int() }),
      },
    },
  }),
  ready: route({
    ...endpoints.ready,
    // Load balancers and probes have no key.
    access: 'open',
    tag: 'server',
    summary: 'Whether the server accepts work',
    responses: { 200: { description: 'Yes', schema: z.object({ status: z.literal('ready') }) } },
    problems: ['not_ready'],
  }),
  metrics: route({
    ...endpoints.metrics,
    access: { may: 'operate', of: 'server' },
    tag: 'server',
    summary: "Measurements of this server in Prometheus' text format",
    responses: { 200: { description: 'docs/observability.md lists them', media: 'text/plain' } },
    raw: true,
  }),
  invoke: route({
    ...endpoints.invoke,
    access: { may: 'read', of: 'server' },
    tag: 'server',
    summary: 'Call any other route through one endpoint; or send a message in the form of AgentCore',
    body: z
      .object({
        path: z.string().optional(),
        method: z.string().default('POST'),
        payload: z.unknown().optional(),
        path_params: z.record(z.string(), z.string()).optional(),
        prompt: UserInput.optional().meta({
          description:
            "Instead of a path: a message to the session of AgentCore's header, which is made on first use",
        }),
        input: UserInput.optional().meta({ description: 'The same under another name' }),
        permission: JsonObject.optional().meta({
          description:
            'Answers a request of that session, as POST /sessions/{session_id}/permissions/respond does, and waits for the rest of its turn',
        }),
        session_id: z
          .string()
          .min(1)
          .max(256)
          .optional()
          .meta({ description: "AgentCore's id of the session, where there is no header" }),
      })
      .meta({ id: 'Invocation' }),
    responses: {
      200: {
        description:
          "The target's own status and body. Without a path: how the turn of the message ended, or the permissions that it waits for",
      },
    },
    problems: [
      'runtime_session_missing',
      'path_missing',
      'path_params_missing',
      'not_invocable',
      'method_invalid',
      'route_not_found',
    ],
    raw: true,
  }),
  console: route({
    ...endpoints.console,
    access: 'open',
    tag: 'server',
    summary: 'The console: sessions, inbox and usage in a browser',
    responses: { 200: { description: 'A page', media: 'text/html' } },
    problems: ['console_not_built'],
    raw: true,
  }),
  openapi: route({
    ...endpoints.openapi,
    access: { may: 'read', of: 'server' },
    tag: 'server',
    summary: 'This document',
    responses: { 200: { description: 'OpenAPI 3.1', schema: JsonObject } },
  }),
  docs: route({
    ...endpoints.docs,
    access: { may: 'read', of: 'server' },
    tag: 'server',
    summary: 'Swagger UI',
    responses: page,
    raw: true,
  }),
  redoc: route({
    ...endpoints.redoc,
    access: { may: 'read', of: 'server' },
    tag: 'server',
    summary: 'ReDoc',
    responses: page,
    raw: true,
  }),
};
