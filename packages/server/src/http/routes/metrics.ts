import { routes } from 'claude-agent-protocol';
import type { Hono } from 'hono';
import type { HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { mount } from '../mount.ts';

export function metricsRoutes(app: Hono<HttpEnv>, { observation }: AppDeps): void {
  mount(app, routes.metrics, async () => {
    const { type, text } = await observation.metrics.scrape();
    return new Response(text, { headers: { 'content-type': type } });
  });
}
