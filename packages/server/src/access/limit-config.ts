import { isIP } from 'node:net';
import { Limits } from 'claude-agent-protocol';
import { z } from 'zod';

/** An address, or a network of them (10.0.0.0/8). */
const Network = z.string().refine((text) => {
  const [address = '', bits, ...more] = text.split('/');
  const version = isIP(address);
  const isPrefix =
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
  return version !== 0 && isPrefix && more.length === 0;
}, 'must be an address or a network, such as 10.0.0.5 or 10.0.0.0/8');

/** What the configuration says of limits, besides those of single keys and tenants. */
export const LIMIT_FIELDS = {
  limits: z.strictObject({ per_key: Limits.optional(), per_tenant: Limits.optional() }).optional(),
  trusted_proxies: z.array(Network).optional(),
};

export interface LimitConfig {
  /** Of each key and each subject that has none of its own. */
  perKey: Limits;
  /** Of each tenant that has none of its own. */
  perTenant: Limits;
  /** Of tenants, by their name. */
  tenants: ReadonlyMap<string, Limits>;
}

type Fields = z.output<z.ZodObject<typeof LIMIT_FIELDS>>;

export const readLimits = (
  { limits = {} }: Fields,
  tenants: Readonly<Record<string, { limits?: Limits | undefined }>> = {},
): LimitConfig => ({
  perKey: limits.per_key ?? {},
  perTenant: limits.per_tenant ?? {},
  tenants: new Map(Object.entries(tenants).map(([name, { limits: own = {} }]) => [name, own])),
});
