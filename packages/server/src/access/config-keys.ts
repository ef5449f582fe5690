import { apiKeySchema, keyConflict } from 'claude-agent-gateway';
import { DEFAULT_TENANT, ROLES, TenantName } from 'claude-agent-protocol';
import { z } from 'zod';
import { ToolPolicy } from './tool-policy.ts';

/** `api_keys` of the configuration file. */
export const ApiKeys = z
  .array(
    apiKeySchema.extend({
      tenant: TenantName.default(DEFAULT_TENANT),
      role: z.enum(ROLES).default('admin'),
      policy: ToolPolicy.optional(),
    }),
  )
  .superRefine((keys, context) => {
    const message = keyConflict(keys);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });
