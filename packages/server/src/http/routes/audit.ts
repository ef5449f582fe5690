import { type AuditEntry, routes } from 'claude-agent-protocol';
import type { Context, Hono } from 'hono';
import { auditIdAt } from '../../access/audit-ids.ts';
import { problem } from '../../errors.ts';
import type { AuditFilters, AuditRecord } from '../../store/audit.ts';
import type { HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { mount } from '../mount.ts';
import { pageOf } from '../page.ts';

/** Entries that an export reads at a time. */
const PAGE = 500;

interface Asked {
  tenant?: string | undefined;
  actor?: string | undefined;
  session_id?: string | undefined;
  action?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

/** Who changed what. */
export function auditRoutes(app: Hono<HttpEnv>, { audit, store }: AppDeps): void {
  /** @returns undefined when nothing of it may be seen */
  const filtersOf = (c: Context<HttpEnv>, asked: Asked): AuditFilters | undefined => {
    const principal = c.get('principal');
    if (principal.kind === 'session') return undefined;
    const own = principal.role === 'operator' ? asked.tenant : principal.tenant;
    if (asked.tenant !== undefined && asked.tenant !== own) return undefined;
    return {
      tenant: own,
      actor: asked.actor,
      sessionId: asked.session_id,
      action: asked.action,
      from: asked.from && auditIdAt(Date.parse(asked.from)),
      to: asked.to && auditIdAt(Date.parse(asked.to)),
    };
  };

  mount(app, routes.listAudit, async ({ query: { limit, cursor, ...asked } }, c) => {
    if (cursor !== undefined && !/^[0-9a-f]{24}$/.test(cursor)) throw problem('cursor_invalid');
    const filters = filtersOf(c, asked);
    // A caller finds what was answered here before.
    await audit.flush();
    const query = { ...filters, newestFirst: true, after: cursor, limit: limit + 1 };
    const records = filters ? await store.audit.list(query) : [];
    return pageOf('entries', records.map(entryView), limit, (last) => last.id);
  });

  mount(app, routes.exportAudit, async ({ query }, c) => {
    const filters = filtersOf(c, query);
    await audit.flush();
    let after: string | undefined;
    let isOver = filters === undefined;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const page = isOver
          ? []
          : await store.audit.list({ ...filters, newestFirst: false, after, limit: PAGE });
        after = page.at(-1)?.id;
        isOver = page.length < PAGE;
        const text = page.map((record) => `${JSON.stringify(entryView(record))}\n`).join('');
        if (text !== '') controller.enqueue(Buffer.from(text));
        if (isOver) controller.close();
      },
    });
    return new Response(body, {
      headers: {
        'content-type': 'application/x-ndjson',
        'content-disposition': 'attachment; filename="audit.jsonl"',
      },
    });
  });
}

const entryView = (record: AuditRecord): AuditEntry => ({
  id: record.id,
  at: record.at,
  tenant: record.tenant,
  actor: { kind: record.actorKind, id: record.actor, role: record.role, tenant: record.actorTenant },
  address: record.address,
  user_agent: record.userAgent,
  request_id: record.requestId,
  action: record.action,
  method: record.method,
  session_id: record.sessionId,
  params: { ...record.params },
  status: record.status,
  problem: record.problem,
  count: record.count,
});
