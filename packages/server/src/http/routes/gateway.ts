import { routes } from 'claude-agent-client';
import type { Hono } from 'hono';
import type { AppDeps } from '../app.ts';
import type { HttpEnv } from '../auth.ts';

/** The gateway's endpoints: it reads and answers these requests itself, errors included. */
export function gatewayRoutes(app: Hono<HttpEnv>, { gateway }: AppDeps): void {
  for (const { method, path } of [routes.gatewayMessages, routes.gatewayCountTokens, routes.gatewayModels]) {
    app.on(method, path, (c) => gateway.fetch(c.req.raw));
  }
  app.get('/v1/models/:id{.+}', (c) => gateway.fetch(c.req.raw));
  // Claude Code looks here whether its base URL answers.
  app.get('/', (c) => c.text('claude-agent-server: see /docs\n'));
}
