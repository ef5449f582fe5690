import { apiKeySchema, keyConflict } from 'claude-agent-gateway';
import { DEFAULT_TENANT, ROLES } from 'claude-agent-protocol';
import { z } from 'zod';
import { ToolPolicy } from './tool-policy.ts';

/** The name of a tenant. */
export const TenantName = z
  .string()
  .regex(/^[\w.-]{1,64}$/, 'must be 1 to 64 letters, digits, dots, hyphens and underscores');

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
