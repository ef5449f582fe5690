import { routes } from 'claude-agent-client';
import type { Hono } from 'hono';
import { AppError } from '../../errors.ts';
import type { AppDeps } from '../app.ts';
import type { HttpEnv } from '../auth.ts';

/** Names under which the demo model can be asked for. */
const isDemo = (model: unknown): boolean => model === 'demo';

/** The Messages endpoints: the bytes go on as they came, the gateway package reads them. */
export function gatewayRoutes(app: Hono<HttpEnv>, { demoModel, demoForAll }: AppDeps): void {
  for (const route of [routes.gatewayMessages, routes.gatewayCountTokens]) {
    app.post(route.path, async (c) => {
      if (!demoForAll && !isDemo(modelIn(await c.req.raw.clone().text()))) throw noProvider();
      return demoModel.fetch(c.req.raw);
    });
  }
  app.get(routes.gatewayModels.path, (c) => demoModel.fetch(c.req.raw));
}

function modelIn(body: string): unknown {
  try {
    const request: unknown = JSON.parse(body);
    return typeof request === 'object' && request !== null && 'model' in request ? request.model : undefined;
  } catch {
    throw new AppError('malformed_json', 400, 'The body is not valid JSON.');
  }
}

const noProvider = (): AppError =>
  new AppError(
    'provider_not_configured',
    404,
    'This gateway serves the model "demo" only. Name it, or start the server with --demo to answer every model name with it.',
  );
