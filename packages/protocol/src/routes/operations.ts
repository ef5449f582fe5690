import { z } from 'zod';
import { endpoints } from '../endpoints.ts';
import { PERMISSION_KINDS, SESSION_STATES } from '../reasons.ts';
import { Timestamp } from '../schemas/common.ts';
import { route } from './route.ts';

const Node = z.object({
  node_id: z.string(),
  address: z.string().meta({ description: 'Where other nodes reach it' }),
  is_this: z.boolean().meta({ description: 'The one that answers' }),
});

const Operations = z
  .object({
    version: z.string(),
    started_at: Timestamp,
    memory_bytes: z.int().meta({ description: 'Of the server itself' }),
    nodes: z.array(Node).meta({ description: 'Those that are alive; of a server on its own there is one' }),
    agents: z.object({
      running: z.int().meta({ description: 'Processes, those kept ready included' }),
      max: z.int(),
      memory_bytes: z
        .int()
        .nullable()
        .meta({ description: 'Of all of them; null where the system does not tell' }),
    }),
    sessions: z.object({
      open: z.int().meta({ description: 'Of all nodes' }),
      by_state: z
        .partialRecord(z.enum(SESSION_STATES), z.int())
        .meta({ description: "In this server's memory" }),
    }),
    queued_turns: z.int(),
    turns_waiting_for_agent: z.int(),
    permissions_pending: z.partialRecord(z.enum(PERMISSION_KINDS), z.int()),
    sandbox: z.object({
      mode: z.string().meta({ description: 'As configured' }),
      active: z.boolean().meta({ description: 'Agents of this server run in one' }),
      network: z.string(),
    }),
    settings: z
      .array(z.object({ name: z.string(), value: z.string(), from: z.string() }))
      .meta({ description: 'What was set, where, as JSON without secrets' }),
  })
  .meta({ id: 'Operations' });

const Provider = z
  .object({
    id: z.string(),
    name: z.string(),
    ready: z.boolean(),
    missing: z.array(z.string()).meta({ description: 'Settings that it still needs' }),
    given: z.string().nullable().meta({ description: 'The variable or setting by which it was configured' }),
    models: z.int(),
  })
  .meta({ id: 'Provider' });

const ModelCall = z
  .object({
    at: Timestamp,
    request_id: z.string(),
    session_id: z.string().nullable(),
    key_id: z.string().nullable(),
    requested_model: z.string(),
    provider: z.string().nullable(),
    model: z.string().nullable(),
    input_tokens: z.int(),
    output_tokens: z.int(),
    cost_usd: z.number().nullable(),
    latency_ms: z.number(),
    ttft_ms: z.number().nullable(),
    status: z.int(),
    error: z.string().nullable(),
  })
  .meta({ id: 'ModelCall' });

/** What an operator looks at: the server, its agents, its gateway. */
export const operationsRoutes = {
  getOperations: route({
    ...endpoints.getOperations,
    access: { may: 'operate', of: 'server' },
    tag: 'server',
    summary: 'Nodes, agents, queue, sandbox and configuration',
    responses: { 200: { description: 'At this moment', schema: Operations } },
    problems: ['storage_failed'],
  }),
  listProviders: route({
    ...endpoints.listProviders,
    access: { may: 'operate', of: 'server' },
    tag: 'server',
    summary: 'The providers of the gateway, and what they need',
    responses: {
      200: { description: 'All that are known', schema: z.object({ providers: z.array(Provider) }) },
    },
  }),
  listModelCalls: route({
    ...endpoints.listModelCalls,
    access: { may: 'operate', of: 'server' },
    tag: 'server',
    summary: 'Model calls that ended lately, through this node',
    responses: {
      200: { description: 'The newest first, 200 at most', schema: z.object({ calls: z.array(ModelCall) }) },
    },
  }),
};
