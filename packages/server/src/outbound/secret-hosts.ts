import { type AllowedHost, covers, parseAllowedHost } from './allowed-hosts.ts';

/** A host that a secret may go to. */
export interface SecretHost extends AllowedHost {
  /** Without TLS: everybody on the way can read the secret. */
  isPlain: boolean;
}

const PLAIN = 'http://';

/** `example.org` is port 443 with TLS, `http://example.org` port 80 without. @returns undefined for no host */
function parseSecretHost(text: string): SecretHost | undefined {
  const isPlain = text.startsWith(PLAIN);
  const bare = isPlain ? text.slice(PLAIN.length) : text;
  const host = parseAllowedHost(bare);
  if (!host) return undefined;
  return { ...host, ...(host.ports.length > 1 && { ports: [isPlain ? 80 : 443] }), isPlain };
}

export const secretHostsOf = (texts: readonly string[]): SecretHost[] =>
  texts.flatMap((text) => parseSecretHost(text) ?? []);

/** Whether a secret may go to a host. */
export const mayGoTo = (
  hosts: readonly SecretHost[],
  target: { host: string; port: number; isPlain: boolean },
): boolean =>
  covers(
    hosts.filter(({ isPlain }) => isPlain === target.isPlain),
    target.host,
    target.port,
  );
