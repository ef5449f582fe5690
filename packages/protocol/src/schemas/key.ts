import { z } from 'zod';
import { DEFAULT_TENANT, ROLES } from '../access.ts';
import { SessionId, Timestamp } from './common.ts';
import { Limits } from './limits.ts';

/** The name of a tenant. */
export const TenantName = z
  .string()
  .regex(/^[\w.-]{1,64}$/, 'must be 1 to 64 letters, digits, dots, hyphens and underscores')
  .meta({ description: `Whose sessions the key may see; \`${DEFAULT_TENANT}\` where nobody says otherwise` });

const Role = z.enum(ROLES).meta({ description: 'What the key may do; see docs/access.md' });
const Secret = z
  .string()
  .meta({ description: 'The secret, shown this once: send it as `Authorization: Bearer …`' });

/** The name of a policy of the configuration. */
export const PolicyName = z
  .string()
  .regex(/^[\w-]{1,32}$/, 'must be 1 to 32 letters, digits, hyphens and underscores');

/** A key as it is listed: its secret is never shown again. */
export const Key = z
  .object({
    key_id: z.string(),
    name: z.string(),
    tenant: TenantName,
    role: Role,
    created_at: Timestamp,
    created_by: z
      .string()
      .nullable()
      .meta({ description: 'Id of the key that made it; null for a program of the machine' }),
    expires_at: Timestamp.nullable(),
    revoked_at: Timestamp.nullable(),
    last_used_at: Timestamp.nullable().meta({ description: 'To the minute' }),
    budget_usd: z.number().nullable(),
    policy: PolicyName.nullable().meta({
      description: 'The policy of the configuration that holds for sessions of the key; part of its id',
    }),
    limits: Limits,
  })
  .meta({ id: 'Key' });
export type Key = z.infer<typeof Key>;

export const CreateKey = z
  .object({
    name: z.string().min(1).max(200).meta({ description: 'What it is for, for people' }),
    role: Role.default('user'),
    tenant: TenantName.optional().meta({ description: "Default: the caller's own" }),
    expires_in_days: z
      .number()
      .positive()
      .max(3650)
      .optional()
      .meta({ description: 'Default: it does not expire' }),
    policy: PolicyName.optional().meta({
      description: 'What its sessions may do: the name of one of `policies` in the configuration',
    }),
    budget_usd: z.number().positive().optional().meta({
      description: 'Dollars that model calls with it, and in sessions that it makes, may cost in all',
    }),
    limits: Limits.optional().meta({
      description: 'What it may use; what is left out is as the configuration says of all keys',
    }),
  })
  .meta({ id: 'CreateKey' });

const { name, expires_in_days, budget_usd, limits } = CreateKey.shape;

export const PatchKey = z
  .object({
    name: name.optional(),
    expires_in_days: expires_in_days
      .unwrap()
      .nullable()
      .optional()
      .meta({ description: 'From now; null: it does not expire' }),
    budget_usd: budget_usd.unwrap().nullable().optional().meta({
      description: 'Dollars in all, what was spent before included; null: no budget of its own',
    }),
    limits: limits.unwrap().optional().meta({
      description: 'In place of all that it had; `{}`: as the configuration says of all keys',
    }),
  })
  .meta({
    id: 'PatchKey',
    description:
      'What is left out stays. Role, tenant and policy stay for good: make another key for another one',
  });

export const KeyCreated = Key.extend({ key: Secret }).meta({ id: 'KeyCreated' });

export const RotateKey = z
  .object({
    keep_seconds: z
      .int()
      .min(0)
      .max(604_800)
      .default(0)
      .meta({ description: 'So long the old secret works too' }),
  })
  .meta({ id: 'RotateKey' });

export const CreateToken = z
  .object({
    scope: z.enum(['read', 'answer']).default('read').meta({
      description: '`read`: status, history, events. `answer`: also answer permission requests.',
    }),
    expires_in_seconds: z.int().min(1).max(86_400).default(3_600),
  })
  .meta({ id: 'CreateToken' });

export const TokenCreated = z
  .object({
    token_id: z.string(),
    session_id: SessionId,
    scope: z.enum(['read', 'answer']),
    expires_at: Timestamp,
    token: z.string().meta({
      description:
        'The secret, shown this once: as `Authorization: Bearer …`, or as `?access_token=` in the URL of the event stream',
    }),
  })
  .meta({ id: 'TokenCreated' });
