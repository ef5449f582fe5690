import { BlockList, isIP } from 'node:net';

/** The part of a request's context that is looked at. */
interface Received {
  env?: { incoming?: { socket: { remoteAddress?: string | undefined } } } | undefined;
  req: { header(name: string): string | undefined };
}

/** Where a request comes from; undefined for one inside this process, whose outer request was looked at. */
export type AddressOf = (c: Received) => string | undefined;

/**
 * The address of the connection. Where that is a proxy that the configuration trusts, the last address of X-Forwarded-For
 * that is none: what stands before it was written by the caller.
 * @param trusted addresses and networks
 */
export function createAddressOf(trusted: readonly string[]): AddressOf {
  const proxies = new BlockList();
  for (const network of trusted) {
    const [address = '', bits] = network.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) proxies.addAddress(address, family);
    else proxies.addSubnet(address, Number(bits), family);
  }
  const isProxy = (address: string): boolean => proxies.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  return (c) => {
    let address = plain(c.env?.incoming?.socket.remoteAddress ?? '');
    if (address === undefined || trusted.length === 0) return address;
    const named = (c.req.header('x-forwarded-for') ?? '').split(',');
    while (isProxy(address)) {
      const before = plain(named.pop() ?? '');
      if (before === undefined) break;
      address = before;
    }
    return address;
  };
}

/** An address without port, brackets and the form of IPv4 in IPv6; undefined for anything else. */
function plain(text: string): string | undefined {
  const [, address = ''] =
    /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)(?::\d+)?$/i.exec(text.trim()) ??
    /^\[?([\da-f:.]+)(?:%\w+)?(?:\](?::\d+)?)?$/i.exec(text.trim()) ??
    [];
  return isIP(address) === 0 ? undefined : address;
}
