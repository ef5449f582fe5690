import { type AllowedHost, covers, parseAllowedHost } from './allowed-hosts.ts';

/** What agents reach: what the machine reaches, the gateway and some hosts by the proxy, or the gateway alone. */
export type Network =
  | { mode: 'open' }
  | { mode: 'limited'; hosts: readonly AllowedHost[] }
  | { mode: 'none' };

/** A network as configuration and callers write it. `limited` without hosts means those of whatever limits it further. */
export interface NetworkSetting {
  mode: 'limited' | 'none';
  hosts?: readonly string[] | undefined;
}

/** Hosts as they are written, parsed; those that name no host were refused where they came in. */
export const hostsOf = (texts: readonly string[]): AllowedHost[] =>
  texts.flatMap((text) => parseAllowedHost(text) ?? []);

/** What is left of a network under a setting: never more than either. */
export function narrow(network: Network, setting: NetworkSetting | undefined): Network {
  if (!setting || network.mode === 'none') return network;
  if (setting.mode === 'none') return { mode: 'none' };
  const asked = setting.hosts && hostsOf(setting.hosts);
  if (network.mode === 'open') return { mode: 'limited', hosts: asked ?? [] };
  return asked ? { mode: 'limited', hosts: common(network.hosts, asked) } : network;
}

/** What a setting asks for beyond a network, for a sentence; undefined when it stays within. */
export function beyond(network: Network, { mode, hosts = [] }: NetworkSetting): string | undefined {
  if (network.mode === 'open' || mode === 'none') return undefined;
  if (network.mode === 'none') return `the network "${mode}"`;
  const host = hosts.find((text) => hostsOf([text]).some((asked) => !isWithin(network.hosts, asked)));
  return host === undefined ? undefined : `the host ${host} in "network"`;
}

/** Whether every name and port of a host is among others. */
export const isWithin = (hosts: readonly AllowedHost[], { name, isWild, ports }: AllowedHost): boolean =>
  ports.every((port) =>
    isWild
      ? hosts.some((host) => host.isWild && host.ports.includes(port) && isBelow(host.name, name))
      : covers(hosts, name, port),
  );

const isBelow = (domain: string, name: string): boolean => name === domain || name.endsWith(`.${domain}`);

/** The hosts that two lists have in common. */
function common(one: readonly AllowedHost[], other: readonly AllowedHost[]): AllowedHost[] {
  return one.flatMap((a) =>
    other.flatMap((b): AllowedHost[] => {
      const ports = a.ports.filter((port) => b.ports.includes(port));
      if (ports.length === 0) return [];
      // Of two patterns one is within the other, or they have no name in common.
      const narrower = [a, b].find((host, at) =>
        isWithin([{ ...(at === 0 ? b : a), ports }], { ...host, ports }),
      );
      return narrower ? [{ ...narrower, ports }] : [];
    }),
  );
}

/** The hosts of a network as they are written. */
export const hostTexts = (network: Network): string[] =>
  network.mode === 'limited'
    ? network.hosts.flatMap(({ name, isWild, ports }) =>
        ports.map((port) => `${isWild ? '*.' : ''}${name.includes(':') ? `[${name}]` : name}:${port}`),
      )
    : [];

/** A network as a session's setting; undefined for an open one. */
export function settingOf(network: Network): { mode: 'limited' | 'none'; hosts?: string[] } | undefined {
  if (network.mode === 'open') return undefined;
  return network.mode === 'none' ? { mode: 'none' } : { mode: 'limited', hosts: hostTexts(network) };
}
