import { type RouteSpec, routes } from 'claude-agent-protocol';
import fc from 'fast-check';
import { validFor } from './arbitraries.ts';
import { UNKNOWN } from './calls.ts';

export const ALL_ROUTES = (Object.entries(routes) as [string, RouteSpec][]).map(([name, spec]) => ({
  name,
  ...spec,
}));
/** The Messages API has an error form of its own. */
export const OWN_ROUTES = ALL_ROUTES.filter(({ tag }) => tag !== 'gateway');
export const SESSION_ROUTES = OWN_ROUTES.filter(({ path }) => path.includes('{session_id}'));
/** The first key closes the server to callers without one. */
const CLOSES = 'createKey';
export const BODY_ROUTES = OWN_ROUTES.filter(({ body, name }) => body && name !== CLOSES);

/** One body that a route accepts, the same in every run. */
export const bodyFor = ({ body }: RouteSpec): unknown =>
  body && fc.sample(validFor(body), { seed: 1, numRuns: 1 })[0];

type Fields = Record<string, { safeParse(value: unknown): { success: boolean } }>;

/** The fields of a route's body. */
export const fieldsOf = ({ body }: RouteSpec): Fields => (body as unknown as { shape: Fields }).shape;

export const paramsOf = (session_id: string) => ({
  params: {
    session_id,
    turn_id: UNKNOWN,
    request_id: UNKNOWN,
    snapshot_id: UNKNOWN,
    webhook_id: UNKNOWN,
    subscription_id: UNKNOWN,
    delivery_id: 'unknown',
    key_id: UNKNOWN,
    task_id: 'unknown',
    name: 'box',
  },
});
