import { z } from 'zod';
import { endpoints } from '../endpoints.ts';
import { JsonObject } from '../schemas/common.ts';
import { route } from './route.ts';

/** Anthropic's own API, answered by the gateway. */
export const gatewayRoutes = {
  gatewayMessages: route({
    ...endpoints.gatewayMessages,
    access: { may: 'use', of: 'server' },
    tag: 'gateway',
    summary: "Anthropic's Messages API, JSON or SSE",
    body: z.looseObject({ model: z.string() }).meta({ id: 'MessagesRequest' }),
    responses: { 200: { description: "Anthropic's answer", schema: JsonObject, frames: JsonObject } },
    anthropic: true,
    raw: true,
  }),
  gatewayCountTokens: route({
    ...endpoints.gatewayCountTokens,
    access: { may: 'use', of: 'server' },
    tag: 'gateway',
    summary: 'Count the tokens of a request',
    body: z.looseObject({ model: z.string() }).meta({ id: 'CountTokensRequest' }),
    responses: { 200: { description: 'The count', schema: z.looseObject({ input_tokens: z.int() }) } },
    anthropic: true,
    raw: true,
  }),
  gatewayModels: route({
    ...endpoints.gatewayModels,
    access: { may: 'read', of: 'server' },
    tag: 'gateway',
    summary: 'List models',
    responses: { 200: { description: "Anthropic's page of models", schema: JsonObject } },
    anthropic: true,
    raw: true,
  }),
};
