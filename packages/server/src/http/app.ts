import { problemsOf, type RouteSpec, routes } from 'claude-agent-protocol';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { createAccessRule } from '../access/rule.ts';
import { problem } from '../errors.ts';
import { auditRequests } from './audit.ts';
import { type HttpEnv, lock } from './auth.ts';
import { answerBrowsers } from './browsers.ts';
import type { AppDeps } from './deps.ts';
import { unpackBody } from './encoding.ts';
import { answerUnrouted } from './methods.ts';
import { observeRequests, traceRequests } from './observe.ts';
import { asAppError, problemResponse } from './problems.ts';
import { agentRoutes } from './routes/agent.ts';
import { auditRoutes } from './routes/audit.ts';
import { choiceRoutes } from './routes/choices.ts';
import { CONSOLE, consoleRoutes } from './routes/console.ts';
import { docRoutes } from './routes/docs.ts';
import { eventRoutes } from './routes/events.ts';
import { gatewayRoutes } from './routes/gateway.ts';
import { healthRoutes } from './routes/health.ts';
import { invocationRoutes } from './routes/invocations.ts';
import { keyRoutes } from './routes/keys.ts';
import { metricsRoutes } from './routes/metrics.ts';
import { operationsRoutes } from './routes/operations.ts';
import { permissionRoutes } from './routes/permissions.ts';
import { pushRoutes } from './routes/push.ts';
import { sessionRoutes } from './routes/sessions.ts';
import { signInRoutes } from './routes/sign-in.ts';
import { turnRoutes } from './routes/turns.ts';
import { webhookRoutes } from './routes/webhooks.ts';
import { skipUnreadBody } from './unread.ts';

/** The HTTP application: authentication, limits, routes, and one place that turns errors into responses. A trailing slash is ignored. */
export function createApp(deps: AppDeps): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>({ strict: false });

  app.onError((thrown, c) => {
    const error = asAppError(
      thrown,
      (unforeseen) => deps.onError(unforeseen, `${c.req.method} ${c.req.path}`),
      c.req.raw.signal.aborted,
    );
    c.set('problem', error.code);
    const route = c.get('route');
    if (route && !problemsOf(route).has(error.code))
      deps.onError(undeclared(route, error.code), 'keep the contract');
    return problemResponse(error, c.req.path);
  });
  app.notFound((c) => answerUnrouted(app, c));

  app.use(observeRequests(deps.observation.onRequest));
  app.use(auditRequests(deps));
  app.use(skipUnreadBody());
  app.use(answerBrowsers(deps.browsers));
  const all: RouteSpec[] = Object.values(routes);
  const openPaths = new Set(all.filter((spec) => spec.access === 'open').map((spec) => spec.path));
  const { addressOf } = deps;
  app.use(
    lock({
      host: deps.host,
      browsers: deps.browsers,
      identify: deps.identifyFrom,
      addressOf,
      peers: deps.peers,
      openResponses: deps.openResponses,
      isOpen: (path) => openPaths.has(path) || path === CONSOLE || path.startsWith(`${CONSOLE}/`),
      signIn: deps.signIn,
      platformPaths: new Set(deps.agentcore ? [routes.invoke.path] : []),
      verifyNode: deps.nodes?.verify,
    }),
  );
  const rule = createAccessRule(deps.store);
  const { tracing } = deps.observation;
  if (tracing) app.use(traceRequests(tracing));
  app.use((c, next) => {
    c.set('rule', rule);
    c.set('limits', deps.limits);
    const { nodes } = deps;
    if (nodes)
      c.set('forward', async (...[, id, ...more]) =>
        nodes.forward(c, id === undefined ? id : await deps.sessions.sessionOf(id), ...more),
      );
    return next();
  });
  const limit = bodyLimit({
    maxSize: deps.bodyLimitBytes,
    onError() {
      throw problem('body_too_large', { limit: deps.bodyLimitBytes, unpacked: false });
    },
  });
  // Model calls carry whole conversations with images, and an import is a whole session: both have a limit of their own.
  const unpack = unpackBody(deps.bodyLimitBytes);
  const hasOwnLimit = (path: string): boolean =>
    path.startsWith('/v1/') || path.replace(/\/$/, '') === routes.importSession.path;
  app.use((c, next) => (hasOwnLimit(c.req.path) ? next() : limit(c, next)));
  app.use((c, next) => (hasOwnLimit(c.req.path) ? next() : unpack(c, next)));

  healthRoutes(app, deps);
  metricsRoutes(app, deps);
  sessionRoutes(app, deps);
  choiceRoutes(app, deps);
  agentRoutes(app, deps);
  turnRoutes(app, deps);
  eventRoutes(app, deps);
  permissionRoutes(app, deps);
  keyRoutes(app, deps);
  auditRoutes(app, deps);
  webhookRoutes(app, deps);
  pushRoutes(app, deps);
  operationsRoutes(app, deps);
  gatewayRoutes(app, deps);
  signInRoutes(app, deps, addressOf);
  docRoutes(app, deps);
  consoleRoutes(app);
  invocationRoutes(app, deps);
  return app;
}

/** The caller is answered all the same; tests fail on it (`test/support/server.ts`). */
const undeclared = ({ method, path }: RouteSpec, code: string): Error =>
  new Error(
    `The route ${method} ${path} does not declare the problem ${code}. Add it to the route's "problems".`,
  );
