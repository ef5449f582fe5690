import type { Secrets, SessionOptions } from 'claude-agent-protocol';
import type { RestrictionsOf } from '../access/policies.ts';
import { problem } from '../errors.ts';
import { hostTexts, isWithin, type Network, narrow, settingOf } from '../outbound/network.ts';
import { secretHostsOf } from '../outbound/secret-hosts.ts';
import type { Vault } from '../secrets/vault.ts';
import type { Owned, SessionRecord } from '../store/store.ts';

/** What agents reach, or why that cannot be limited for a session. */
export type AgentNetwork = Network | { mode: 'fixed'; why: string };

/** What the agents of sessions reach, and where their secrets may go. */
export interface NetworkPolicy {
  /** The options with the network that is left by all policies. */
  within(options: SessionOptions, owned: Owned): SessionOptions;
  /** @throws AppError 422, 403 */
  checkSecrets(secrets: Secrets, options: SessionOptions, owned: Owned): void;
  /** The same for those that a session has; they must be had, too. @throws AppError 422, 403, 409 */
  checkKept(session: Pick<SessionRecord, 'secrets' | 'options' | 'tenant' | 'createdBy'>): void;
}

export function createNetworkPolicy(
  agents: AgentNetwork,
  restrictionsOf: RestrictionsOf,
  vault: Pick<Vault, 'open'>,
): NetworkPolicy {
  /** What an agent reaches in the end; undefined where that cannot be limited. */
  const networkOf = (options: SessionOptions, owned: Owned): Network | undefined =>
    agents.mode === 'fixed'
      ? undefined
      : [...restrictionsOf(owned).networks, options.network].reduce<Network>(narrow, agents);

  const checkSecrets: NetworkPolicy['checkSecrets'] = (secrets, options, owned) => {
    const network = networkOf(options, owned);
    if (!network) throw problem('secrets_not_possible', { why: NEEDS_SANDBOX });
    if (network.mode === 'open') throw problem('secrets_not_possible', { why: NEEDS_LIMIT });
    const { allowsSecret } = restrictionsOf(owned);
    for (const [name, { from, hosts = [] }] of Object.entries(secrets)) {
      if (from !== undefined && !allowsSecret(from)) {
        throw problem('policy_forbids', { what: `the secret "${from}"`, allowed: [] });
      }
      // Without a network nothing leaves the sandbox, and the placeholder stays one.
      if (network.mode === 'none') continue;
      const lost = hosts.find(
        (text) => !secretHostsOf([text]).every((host) => isWithin(network.hosts, host)),
      );
      if (lost === undefined) continue;
      const reached = hostTexts(network).join(', ') || 'the gateway only';
      const message = `the agent of this session does not reach ${lost}: it reaches ${reached}`;
      throw problem('validation_failed', { errors: [{ path: `body.secrets.${name}.hosts`, message }] });
    }
  };

  return {
    within(options, owned) {
      const network = networkOf(options, owned);
      return network && network !== agents ? { ...options, network: settingOf(network) } : options;
    },
    checkSecrets,
    checkKept(session) {
      const { secrets, options } = session;
      if (secrets === null) return;
      const asked = Object.entries(secrets).map(([name, kept]) => [
        name,
        'from' in kept ? { from: kept.from } : { hosts: [...kept.hosts] },
      ]);
      checkSecrets(Object.fromEntries(asked), options, session);
      vault.open(session);
    },
  };
}

const NEEDS_SANDBOX =
  'its agent would see them, because this server cannot limit the network of its agents. The operator starts it with --sandbox required, and gives the gateway a credential.';
const NEEDS_LIMIT =
  'the proxy of a limited network puts them into requests, and the agent would have an open one. Send "network": {"mode": "limited", "hosts": […]} with them.';
