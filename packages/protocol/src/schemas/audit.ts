import { z } from 'zod';
import { AUDIT_ACTORS, ROLES } from '../access.ts';
import { Timestamp } from './common.ts';
import { TenantName } from './key.ts';
import { pageQuery } from './page.ts';

/** Which entries of the audit log are wanted. */
export const auditFilters = {
  tenant: TenantName.optional().meta({ description: 'Only entries of this tenant; operators see all' }),
  actor: z.string().min(1).max(200).optional().meta({ description: 'Only what this key, by its id, did' }),
  session_id: z.uuid().optional().meta({ description: 'Only what is about this session' }),
  action: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .meta({ description: 'Only this operation, such as `respondPermission`' }),
  from: z.iso.datetime({ offset: true }).optional().meta({ description: 'From this time on' }),
  to: z.iso.datetime({ offset: true }).optional().meta({ description: 'Before this time' }),
};

export const AuditQuery = z.object({ ...pageQuery, ...auditFilters });

/** One entry of the audit log: who did what, from where, and what became of it. */
export const AuditEntry = z
  .object({
    id: z.string().meta({ description: 'Sorts by the time of the request' }),
    at: Timestamp.meta({ description: 'When the request came' }),
    tenant: TenantName.nullable().meta({
      description: "The session's tenant, or the caller's; null for a caller that nobody knows",
    }),
    actor: z.object({
      kind: z.enum(AUDIT_ACTORS).meta({
        description:
          '`local`: a program of the machine, where no key is needed; `key`, `token` (of one session), `jwt` (of an identity provider); `agent`: the token of an agent process; `platform`: AgentCore; `command`: a program that opened the database; `unknown`: no valid key',
      }),
      id: z.string().nullable().meta({ description: 'Of the key or token; of a command, the user' }),
      role: z.enum(ROLES).nullable(),
      tenant: TenantName.nullable(),
    }),
    address: z
      .string()
      .nullable()
      .meta({ description: 'Where the request came from; X-Forwarded-For of trusted proxies counts' }),
    user_agent: z.string().nullable(),
    request_id: z.string().nullable().meta({ description: 'As in `X-Request-Id` and in the log' }),
    action: z.string().meta({ description: 'The operation, by its id in this document' }),
    method: z.string(),
    session_id: z.string().nullable(),
    params: z.record(z.string(), z.string()).meta({
      description:
        'What it was about: parameters of the path, ids of what was made, and decisions. Never bodies, prompts or secrets',
    }),
    status: z.int().meta({ description: 'Of the answer; 202 for a message that was accepted' }),
    problem: z.string().nullable().meta({ description: 'Code of the problem, when it failed' }),
    count: z
      .int()
      .meta({ description: 'How many requests this entry stands for: of many failures, one entry a minute' }),
  })
  .meta({ id: 'AuditEntry' });
export type AuditEntry = z.infer<typeof AuditEntry>;
