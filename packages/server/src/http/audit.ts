import { type EndpointName, isAudited, type RouteSpec, routes } from 'claude-agent-protocol';
import { problems } from 'claude-agent-protocol/problems';
import type { Context, MiddlewareHandler } from 'hono';
import type { AuditEntry, AuditLog } from '../access/audit-log.ts';
import { actorOf, type Principal } from '../access/principal.ts';
import type { Store } from '../store/store.ts';
import { AUDITED_HEADER, CALLER_ADDRESS_HEADER } from './audited.ts';
import { type HttpEnv, NOT_HERE } from './auth.ts';
import type { AddressOf } from './client-address.ts';

/** Status of an entry that is written before the answer is known. */
const ACCEPTED = 202;
/** Texts that callers choose are cut to this. */
const LONGEST = 200;
const TENANTS_KNOWN = 10_000;

/**
 * Requests whose entries are written within 100 ms, not before the answer: they come in numbers, or in the middle of an agent's
 * work. The session's own log has what they did.
 */
const BATCHED: ReadonlySet<RouteSpec> = new Set<RouteSpec>([
  routes.createSession,
  routes.forkSession,
  routes.importSession,
  routes.patchSession,
  routes.sendMessage,
  routes.respondHook,
  routes.respondTool,
]);

export interface AuditDeps {
  audit: AuditLog;
  store: Pick<Store, 'whose'>;
  addressOf: AddressOf;
}

/** Writes an entry for each request that changes something, or was to, with what became of it. */
export function auditRequests({ audit, store, addressOf }: AuditDeps): MiddlewareHandler<HttpEnv> {
  const tenantOf = createTenants(store);

  return async (c, next) => {
    c.set('address', callerAddress(c, addressOf));
    const found = routeOf(c.req.method, c.req.path);
    if (!found) return next();
    const ms = Date.now();
    const noted: Record<string, string> = {};
    let isAdmitted = false;
    let isDone = false;
    let refusedWith: number | undefined;

    const entryOf = async (status: number): Promise<AuditEntry> => {
      // Not set before the caller is known.
      const principal = c.get('anonymous') ? undefined : (c.get('principal') as Principal | undefined);
      const actor = actorOf(principal, c.env?.platform ?? false);
      const { session_id: sessionId = null, tenant, ...params } = { ...found.params, ...noted };
      const isOther = isAdmitted && actor.role === 'operator' && sessionId !== null;
      return {
        ms,
        tenant: tenant ?? ((isOther && (await tenantOf(sessionId))) || actor.tenant),
        actorKind: actor.kind,
        actor: actor.id,
        role: actor.role,
        actorTenant: actor.tenant,
        address: callerAddress(c, addressOf),
        userAgent: printable(c.req.header('user-agent')),
        requestId: c.get('requestId'),
        action: found.name,
        method: c.req.method,
        sessionId,
        params,
        status,
        problem: c.get('problem') ?? null,
      };
    };

    c.set('audited', {
      note(more) {
        for (const [name, value] of Object.entries(more)) {
          const text = value === undefined ? null : printable(String(value));
          if (text !== null) noted[name] = text;
        }
      },
      refused(code) {
        c.set('problem', code);
        refusedWith = problems[code].status;
      },
      accepted() {
        if (isDone) return;
        isDone = true;
        void entryOf(ACCEPTED).then(audit.enqueue);
      },
      elsewhere() {
        isDone = true;
      },
      async admitted() {
        isAdmitted = true;
        const principal = c.get('principal');
        const id = found.params.session_id;
        // Asked while it is there: the request may erase it.
        if (id !== undefined && principal.kind !== 'session' && principal.role === 'operator')
          await tenantOf(id);
      },
    });
    await next();
    const status = refusedWith ?? c.res.status;
    if (c.get('passedOn')) {
      if (status === NOT_HERE) return;
      c.header(AUDITED_HEADER, '1');
    }
    if (isDone) return;
    isDone = true;
    const entry = await entryOf(status);
    if (status >= 400) audit.failed(entry);
    else if (BATCHED.has(found.spec)) audit.enqueue(entry);
    else await audit.write(entry);
  };
}

/** Routes whose requests have entries. */
const AUDITED = (Object.entries(routes) as [EndpointName, RouteSpec][])
  .filter(([, spec]) => isAudited(spec))
  .map(([name, spec]) => ({
    name,
    spec,
    pattern: new RegExp(`^${spec.path.replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')}/?$`),
  }));

/** The route of a request, which need not get as far as its handler. */
function routeOf(method: string, path: string) {
  if (method === 'HEAD' || method === 'OPTIONS') return undefined;
  for (const { name, spec, pattern } of AUDITED) {
    const match = spec.method === method ? pattern.exec(path) : null;
    if (!match) continue;
    const params = Object.entries(match.groups ?? {}).map(([key, value]) => [key, printable(decoded(value))]);
    return { name, spec, params: Object.fromEntries(params) as Record<string, string> };
  }
  return undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A text as it can be kept and shown on one line. */
function printable(text: string | undefined): string | null {
  if (text === undefined) return null;
  return text
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, '\ufffd')
    .slice(0, LONGEST)
    .toWellFormed();
}

function callerAddress(c: Context<HttpEnv>, addressOf: AddressOf): string | null {
  if (c.get('passedOn')) return printable(c.req.header(CALLER_ADDRESS_HEADER));
  return addressOf(c) ?? c.env?.address ?? null;
}

/** The tenants of sessions, which never change. */
function createTenants({ whose }: Pick<Store, 'whose'>): (id: string) => Promise<string | undefined> {
  const known = new Map<string, string>();
  return async (id) => {
    const tenant = known.get(id) ?? (await whose(id))?.tenant;
    if (known.size >= TENANTS_KNOWN) known.clear();
    if (tenant !== undefined) known.set(id, tenant);
    return tenant;
  };
}
