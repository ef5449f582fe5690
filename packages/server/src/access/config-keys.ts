import { apiKeySchema, keyConflict } from 'claude-agent-gateway';
import { DEFAULT_TENANT, Limits, ROLES, type Role, TenantName } from 'claude-agent-protocol';
import { z } from 'zod';
import { ToolPolicy } from './tool-policy.ts';

/** `api_keys` of the configuration file. */
export const ApiKeys = z
  .array(
    apiKeySchema.extend({
      tenant: TenantName.default(DEFAULT_TENANT),
      role: z.enum(ROLES).default('admin'),
      policy: ToolPolicy.optional(),
      limits: Limits.optional(),
    }),
  )
  .superRefine((keys, context) => {
    const message = keyConflict(keys);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

/** A key that opens this server. */
export interface ApiKey {
  /** Identifies the key in accounts and budgets; the key itself is never shown. */
  id: string;
  key: string;
  /** Total budget in dollars for model calls through the gateway. */
  budgetUsd?: number | undefined;
  limits?: Limits | undefined;
  tenant: string;
  role: Role;
  policy?: ToolPolicy | undefined;
}
