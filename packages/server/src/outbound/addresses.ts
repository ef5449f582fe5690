import ipaddr from 'ipaddr.js';

/** Where an address leads: to this machine, into the operator's networks (cloud metadata included), or to the internet. */
export type Network = 'loopback' | 'private' | 'public';

/** Which networks requests may go to. */
export type Reach = 'none' | 'loopback' | 'public' | 'any';

/** The only part of IPv6 that is routed on the internet (RFC 4291, 2.4); tunnels in it to IPv4 have names of their own. */
const GLOBAL_IPV6 = ipaddr.parseCIDR('2000::/3');

/** @param address an IPv4 or IPv6 address, without brackets */
export function networkOf(address: string): Network {
  const parsed = ipaddr.process(address);
  const range = parsed.range();
  if (range === 'loopback') return 'loopback';
  const isPublic = range === 'unicast' && (parsed.kind() === 'ipv4' || parsed.match(GLOBAL_IPV6));
  return isPublic ? 'public' : 'private';
}

/** Whether requests may go to an address. */
export const reaches = (reach: Reach, address: string): boolean =>
  reach === 'any' || networkOf(address) === reach;

/** The address that a URL's host is, without brackets; undefined for a name. */
export function addressIn(hostname: string): string | undefined {
  const bare = hostname.replace(/^\[(.*)\]$/, '$1');
  return ipaddr.isValid(bare) ? bare : undefined;
}

/** Whether a URL may be called, as far as its text says: a name is looked up when it is called. */
export function mayLeadTo(reach: Reach, url: string): boolean {
  const { hostname } = new URL(url);
  const address = addressIn(hostname);
  if (address !== undefined) return reaches(reach, address);
  const isHere = /(^|\.)localhost\.?$/.test(hostname);
  return reach === 'any' || reach === (isHere ? 'loopback' : 'public');
}
