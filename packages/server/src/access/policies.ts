import { Limits, PolicyName, TenantName } from 'claude-agent-protocol';
import { z } from 'zod';
import { problem } from '../errors.ts';
import type { Owned } from '../store/store.ts';

import { combine, type Restrictions, ToolPolicy } from './tool-policy.ts';

/** What the configuration file says of policies, besides those of keys. */
export const POLICY_FIELDS = {
  /** For every session of the server. */
  policy: ToolPolicy.optional(),
  /** For sessions of keys that are made while the server runs and name one. */
  policies: z.record(PolicyName, ToolPolicy).optional(),
  tenants: z
    .record(TenantName, z.strictObject({ policy: ToolPolicy.optional(), limits: Limits.optional() }))
    .optional(),
};

export interface PolicyConfig {
  /** For every session of the server. */
  policy: ToolPolicy | undefined;
  /** By its own name. */
  namedPolicies: ReadonlyMap<string, ToolPolicy>;
  /** By the name of the tenant. */
  tenantPolicies: ReadonlyMap<string, ToolPolicy>;
}

type PolicyFields = z.output<z.ZodObject<typeof POLICY_FIELDS>>;

/** @param real gives the real path of a root, or throws a ConfigError */
export function readPolicies(file: PolicyFields, real: (root: string) => string): PolicyConfig {
  return {
    policy: file.policy && withRealRoots(file.policy, real),
    namedPolicies: new Map(
      Object.entries(file.policies ?? {}).map(([name, policy]) => [name, withRealRoots(policy, real)]),
    ),
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
export const policiesOf = ({
  policy,
  namedPolicies,
  tenantPolicies,
  apiKeys,
}: PolicySettings): ToolPolicy[] =>
  [policy, ...namedPolicies.values(), ...tenantPolicies.values(), ...apiKeys.map((key) => key.policy)].filter(
    (each) => each !== undefined,
  );

/** The restrictions of a session, by its tenant and its maker. */
export type RestrictionsOf = (owned: Owned) => Restrictions;

/**
 * The id of a key that is made while the server runs. It ends with the name of the key's policy: what a session's maker may
 * do is known wherever its session is, on every node and after every restart, without asking for the key.
 */
export const keyIdWith = (random: string, policy: string | undefined): string =>
  `${KEY_ID}${random}${policy === undefined ? '' : `@${policy}`}`;

/** How the ids of keys begin that are made while the server runs. */
export const KEY_ID = 'key_';

/** The name of the policy in such an id. */
export const policyNameIn = (keyId: string): string | undefined =>
  /^key_[0-9a-f]+@([\w-]+)$/.exec(keyId)?.[1];

/** A session's restrictions are put together when they are first asked for. */
export function createRestrictions(settings: PolicySettings): RestrictionsOf {
  const { policy, namedPolicies, tenantPolicies, apiKeys } = settings;
  const keyPolicies = new Map(apiKeys.map((key) => [key.id, key.policy]));
  const known = new Map<string, Restrictions>();

  /** @throws AppError 403 when the configuration has the policy no more: without it the key could do more */
  const policyOfKey = (id: string): ToolPolicy | undefined => {
    if (keyPolicies.has(id)) return keyPolicies.get(id);
    const name = policyNameIn(id);
    const named = name === undefined ? undefined : namedPolicies.get(name);
    if (name !== undefined && !named) {
      const what = `anything, because the key's policy "${name}" is not in "policies" of the configuration`;
      throw problem('policy_forbids', { what, allowed: [] });
    }
    return named;
  };

  return ({ tenant, createdBy }) => {
    const ofTenant = tenantPolicies.get(tenant);
    const ofKey = createdBy === null ? undefined : policyOfKey(createdBy);
    // Makers without a policy of their own share what holds for their tenant, and tenants what holds for all.
    const maker = ofKey && createdBy !== null ? (policyNameIn(createdBy) ?? [createdBy]) : undefined;
    const name = JSON.stringify([ofTenant && tenant, maker]);
    const restrictions =
      known.get(name) ?? combine([policy, ofTenant, ofKey].filter((each) => each !== undefined));
    known.set(name, restrictions);
    return restrictions;
  };
}
