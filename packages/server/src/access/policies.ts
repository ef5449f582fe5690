import { Limits, TenantName } from 'claude-agent-protocol';
import { z } from 'zod';
import type { Owned } from '../store/store.ts';

import { combine, type Restrictions, ToolPolicy } from './tool-policy.ts';

/** What the configuration file says of policies, besides those of keys. */
export const POLICY_FIELDS = {
  /** For every session of the server. */
  policy: ToolPolicy.optional(),
  tenants: z
    .record(TenantName, z.strictObject({ policy: ToolPolicy.optional(), limits: Limits.optional() }))
    .optional(),
};

export interface PolicyConfig {
  /** For every session of the server. */
  policy: ToolPolicy | undefined;
  /** By the name of the tenant. */
  tenantPolicies: ReadonlyMap<string, ToolPolicy>;
}

type PolicyFields = z.output<z.ZodObject<typeof POLICY_FIELDS>>;

/** @param real gives the real path of a root, or throws a ConfigError */
export function readPolicies(file: PolicyFields, real: (root: string) => string): PolicyConfig {
  return {
    policy: file.policy && withRealRoots(file.policy, real),
    tenantPolicies: new Map(
      Object.entries(file.tenants ?? {}).flatMap(([name, { policy }]) =>
        policy === undefined ? [] : [[name, withRealRoots(policy, real)]],
      ),
    ),
  };
}

/** The same policy, its folders by their real paths: those of sessions are compared with them. */
export const withRealRoots = (policy: ToolPolicy, real: (root: string) => string): ToolPolicy =>
  policy.roots === undefined ? policy : { ...policy, roots: policy.roots.map(real) };

/** Everything of a configuration that policies come from. */
export interface PolicySettings extends PolicyConfig {
  apiKeys: readonly { id: string; policy?: ToolPolicy | undefined }[];
}

/** All policies of a configuration. */
export const policiesOf = ({ policy, tenantPolicies, apiKeys }: PolicySettings): ToolPolicy[] =>
  [policy, ...tenantPolicies.values(), ...apiKeys.map((key) => key.policy)].filter(
    (each) => each !== undefined,
  );

/** The restrictions of a session, by its tenant and its maker. */
export type RestrictionsOf = (owned: Owned) => Restrictions;

/** A session's restrictions are put together when they are first asked for. */
export function createRestrictions({ policy, tenantPolicies, apiKeys }: PolicySettings): RestrictionsOf {
  const keyPolicies = new Map(apiKeys.map((key) => [key.id, key.policy]));
  const known = new Map<string, Restrictions>();
  return ({ tenant, createdBy }) => {
    const ofTenant = tenantPolicies.get(tenant);
    const ofKey = createdBy === null ? undefined : keyPolicies.get(createdBy);
    // Makers without a policy of their own share what holds for their tenant, and tenants what holds for all.
    const name = JSON.stringify([ofTenant && tenant, ofKey && createdBy]);
    const restrictions =
      known.get(name) ?? combine([policy, ofTenant, ofKey].filter((each) => each !== undefined));
    known.set(name, restrictions);
    return restrictions;
  };
}
