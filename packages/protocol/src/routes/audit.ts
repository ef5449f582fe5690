import { z } from 'zod';
import { endpoints } from '../endpoints.ts';
import { AuditEntry, AuditQuery, auditFilters } from '../schemas/audit.ts';
import { page } from '../schemas/page.ts';
import { route } from './route.ts';

/** Who changed what. */
export const auditRoutes = {
  listAudit: route({
    ...endpoints.listAudit,
    access: { may: 'manage', of: 'tenant' },
    tag: 'server',
    summary: 'Who changed what: every request that changes something, and those that were refused',
    query: AuditQuery,
    responses: { 200: { description: 'Newest first', schema: page('entries', AuditEntry) } },
    problems: ['cursor_invalid'],
  }),
  exportAudit: route({
    ...endpoints.exportAudit,
    access: { may: 'manage', of: 'tenant' },
    tag: 'server',
    summary: 'The audit log as JSON Lines, for other programs',
    query: z.object(auditFilters),
    responses: { 200: { description: 'One entry a line, oldest first', media: 'application/x-ndjson' } },
    raw: true,
  }),
};
