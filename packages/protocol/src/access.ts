/** Who may do what: roles, and what each of them allows. Free of zod. */

/** From the least to the most. */
export const ROLES = ['viewer', 'approver', 'user', 'admin', 'operator'] as const;
export type Role = (typeof ROLES)[number];

/**
 * - `read`: look at sessions, follow their events
 * - `answer`: answer permission requests
 * - `use`: create sessions, send messages, change and close them, call models
 * - `manage`: keys of the own tenant, its audit log
 * - `operate`: everything of the server and of all tenants
 */
export const ACTIONS = ['read', 'answer', 'use', 'manage', 'operate'] as const;
export type Action = (typeof ACTIONS)[number];

const ALLOWED: Readonly<Record<Role, readonly Action[]>> = {
  viewer: ['read'],
  approver: ['read', 'answer'],
  user: ['read', 'answer', 'use'],
  admin: ['read', 'answer', 'use', 'manage'],
  operator: ACTIONS,
};

/** Whether a role allows an action. */
export const allows = (role: Role, action: Action): boolean => ALLOWED[role].includes(action);

/** The roles that allow an action, from the least on. */
export const rolesFor = (action: Action): Role[] => ROLES.filter((role) => allows(role, action));

/** Who an entry of the audit log can be about. */
export const AUDIT_ACTORS = [
  'local',
  'key',
  'token',
  'jwt',
  'agent',
  'platform',
  'command',
  'unknown',
] as const;
export type AuditActor = (typeof AUDIT_ACTORS)[number];

/** The tenant of everything that nobody has given another one. */
export const DEFAULT_TENANT = 'default';

/**
 * Who may call a route: anybody (`open`), or callers whose role allows the action. `of` says what it is about:
 * - `session`: the session in the path, which must be one that the caller may see; otherwise it does not exist
 * - `tenant`: the handler gives what the caller may see, and makes what belongs to the caller's tenant
 * - `server`: nothing that belongs to a tenant
 */
export type RouteAccess = 'open' | { may: Action; of: 'session' | 'tenant' | 'server' };
