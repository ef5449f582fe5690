import type { Secrets } from 'claude-agent-protocol';
import { newPlaceholder, type SessionSecret } from '../agent/secrets/placeholders.ts';
import { problem } from '../errors.ts';
import { isWithin } from '../outbound/network.ts';
import { secretHostsOf } from '../outbound/secret-hosts.ts';
import type { NamedSecret } from '../secrets-config.ts';
import type { Owned, SecretRecord, SecretRecords, SessionRecord } from '../store/store.ts';
import type { Seal } from './seal.ts';

type Given = Secrets[string];
type Keeper = Pick<SessionRecord, 'tenant' | 'secrets'>;

/** The secrets of sessions: only here do their values come out of what is stored. */
export interface Vault {
  /**
   * What is stored of the secrets that a caller gives. Variables that the session has already keep their placeholders:
   * the agent may have written them down.
   * @throws AppError 422 for an unknown one, or when there is no key
   */
  take(given: Secrets, owned: Owned, before?: SecretRecords | null): SecretRecords;
  /** Whether a session has exactly these. */
  has(session: Keeper, given: Secrets): boolean;
  /** The same secrets for another session of the tenant. */
  copy(secrets: SecretRecords | null): SecretRecords | null;
  /** The secrets of a session with their values. @throws AppError 409 when one cannot be had */
  open(session: Keeper): SessionSecret[];
}

export interface VaultDeps {
  /** The secrets of the configuration. */
  named: ReadonlyMap<string, NamedSecret>;
  /** Encrypts what callers give; undefined when this server has no key for that. */
  seal(): Seal | undefined;
}

/** What a value is bound to: whoever changes the stored hosts cannot have it sent there. */
const belongsTo = (tenant: string, name: string, hosts: readonly string[]): string =>
  JSON.stringify([tenant, name, hosts]);

export function createVault({ named, seal }: VaultDeps): Vault {
  const requireNamed = (name: string): NamedSecret => {
    const found = named.get(name);
    if (!found) throw problem('secret_not_found', { name });
    return found;
  };

  const recordOf = (
    { value, from, hosts }: Given,
    name: string,
    { tenant }: Pick<Owned, 'tenant'>,
    placeholder: string,
  ): SecretRecord => {
    if (from !== undefined) {
      const most = requireNamed(from).hosts;
      const isMore = hosts?.find((host) => !isNarrower(most, host));
      if (isMore !== undefined) {
        const message = `${isMore} is not among the hosts of the secret "${from}": ${most.join(', ')}`;
        throw problem('validation_failed', { errors: [{ path: `body.secrets.${name}.hosts`, message }] });
      }
      return { placeholder, hosts: hosts ?? most, from };
    }
    const sealer = seal();
    if (!sealer) {
      throw problem('secrets_not_possible', {
        why: 'this server has no key to encrypt values with, and servers on one database need the same. Name a secret of the configuration with "from", or ask the operator to set "secrets_key" or "secrets_key_file" on all of them.',
      });
    }
    const to = hosts ?? [];
    return { placeholder, hosts: to, sealed: sealer.seal(value ?? '', belongsTo(tenant, name, to)) };
  };

  const readValue = (name: string, record: SecretRecord, tenant: string): string => {
    if ('from' in record) {
      const found = named.get(record.from);
      if (found && record.hosts.every((host) => isNarrower(found.hosts, host))) return found.value;
      const why = found ? 'does not let it go to its hosts any more' : 'does not have it any more';
      throw problem('secret_unavailable', {
        name,
        why: `the configuration's "secrets" ${why}, by the name "${record.from}". Put it back.`,
      });
    }
    const value = seal()?.open(record.sealed, belongsTo(tenant, name, record.hosts));
    if (value !== undefined) return value;
    throw problem('secret_unavailable', {
      name,
      why: 'it was encrypted with a key that this server does not have. Put that key back ("secrets_key", "secrets_key_file", or secrets.key in the home).',
    });
  };

  return {
    take: (given, owned, before) =>
      Object.fromEntries(
        Object.entries(given).map(([name, secret]) => [
          name,
          recordOf(secret, name, owned, before?.[name]?.placeholder ?? newPlaceholder()),
        ]),
      ),

    has({ tenant, secrets }, given) {
      const names = Object.keys(given);
      if (names.length !== Object.keys(secrets ?? {}).length) return false;
      return names.every((name) => {
        const [record, asked] = [secrets?.[name], given[name]];
        if (!record || !asked) return false;
        if ('from' in record) {
          const hosts = asked.hosts ?? named.get(record.from)?.hosts ?? [];
          return asked.from === record.from && String(hosts) === String(record.hosts);
        }
        const value = seal()?.open(record.sealed, belongsTo(tenant, name, asked.hosts ?? []));
        return value !== undefined && value === asked.value;
      });
    },

    copy: (secrets) =>
      secrets &&
      Object.fromEntries(
        Object.entries(secrets).map(([name, record]) => [name, { ...record, placeholder: newPlaceholder() }]),
      ),

    open: ({ tenant, secrets }) =>
      Object.entries(secrets ?? {}).map(([name, record]) => ({
        name,
        placeholder: record.placeholder,
        hosts: secretHostsOf(record.hosts),
        value: readValue(name, record, tenant),
      })),
  };
}

/** Whether a host is among others. */
function isNarrower(most: readonly string[], text: string): boolean {
  const hosts = secretHostsOf(most);
  return secretHostsOf([text]).every((asked) =>
    isWithin(
      hosts.filter(({ isPlain }) => isPlain === asked.isPlain),
      asked,
    ),
  );
}
