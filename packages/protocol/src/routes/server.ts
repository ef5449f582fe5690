import { z } from 'zod';
import { endpoints } from '../endpoints.ts';
import { JsonObject, Timestamp } from '../schemas/common.ts';
import { TotalUsage } from '../schemas/session.ts';
import { route } from './route.ts';

const page = { 200: { description: 'A page', media: 'text/html' } };

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
    access: { may: 'read', of: 'server' },
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
    summary: 'Call any other route through one endpoint',
    body: z
      .object({
        path: z.string().optional(),
        method: z.string().default('POST'),
        payload: z.unknown().optional(),
        path_params: z.record(z.string(), z.string()).optional(),
      })
      .meta({ id: 'Invocation' }),
    responses: { 200: { description: "The target's own status and body" } },
    problems: ['path_missing', 'path_params_missing', 'not_invocable', 'method_invalid', 'route_not_found'],
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
