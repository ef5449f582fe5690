import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type RouteSpec, routes } from 'claude-agent-protocol';
import type { Context, Hono } from 'hono';
import type { HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { enter } from '../mount.ts';

/** The gateway's endpoints. The gateway reads and answers these requests itself, errors included. */
export function gatewayRoutes(app: Hono<HttpEnv>, { gateway }: AppDeps): void {
  // Node's own request and response: web ones cost 0.15 ms more CPU per model call. A call through /invocations has no
  // socket and uses those.
  const answer = async (c: Context<HttpEnv>, spec: RouteSpec): Promise<Response> => {
    await enter(c, spec);
    const { incoming, outgoing } = c.env ?? {};
    if (!incoming || !outgoing) return gateway.fetch(c.req.raw);
    await gateway.handle(incoming, outgoing);
    return RESPONSE_ALREADY_SENT;
  };
  for (const spec of [routes.gatewayMessages, routes.gatewayCountTokens, routes.gatewayModels]) {
    app.on(spec.method, spec.path, (c) => {
      c.set('route', spec);
      return answer(c, spec);
    });
  }
  app.get('/v1/models/:id{.+}', (c) => answer(c, routes.gatewayModels));
  // Claude Code checks here whether its base URL answers.
  app.get('/', (c) => c.text('claude-agent-server: see /docs\n'));
}
