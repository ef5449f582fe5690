import type { EndpointName } from '../endpoints.ts';
import { agentRoutes } from './agent.ts';
import { auditRoutes } from './audit.ts';
import { choiceRoutes } from './choices.ts';
import { eventRoutes } from './events.ts';
import { gatewayRoutes } from './gateway.ts';
import { keyRoutes } from './keys.ts';
import { operationsRoutes } from './operations.ts';
import { permissionRoutes } from './permissions.ts';
import { pushRoutes } from './push.ts';
import type { RouteInput, RouteOutput, RouteSpec } from './route.ts';
import { serverRoutes } from './server.ts';
import { sessionRoutes } from './sessions.ts';
import { signInRoutes } from './sign-in.ts';
import { turnRoutes } from './turns.ts';
import { webhookRoutes } from './webhooks.ts';

/** Every route of the contract, by its name. */
export const routes = {
  ...sessionRoutes,
  ...choiceRoutes,
  ...agentRoutes,
  ...turnRoutes,
  ...eventRoutes,
  ...permissionRoutes,
  ...signInRoutes,
  ...keyRoutes,
  ...auditRoutes,
  ...webhookRoutes,
  ...pushRoutes,
  ...operationsRoutes,
  ...serverRoutes,
  ...gatewayRoutes,
} as const satisfies Record<EndpointName, RouteSpec>;

export type Routes = typeof routes;
/** What a caller gives for a route of this name. */
export type Input<N extends EndpointName> = RouteInput<Routes[N]>;
/** What a route of this name answers. */
export type Output<N extends EndpointName, S extends number = 200> = RouteOutput<Routes[N], S>;
