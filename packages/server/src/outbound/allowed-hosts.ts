import { type LookupAddress, lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { networkOf } from './addresses.ts';

/** A host that agents may reach: `example.org`, `*.example.org`, `10.1.2.3`, each with `:port` or for 80 and 443. */
export interface AllowedHost {
  name: string;
  /** Every name below it. */
  isWild: boolean;
  ports: readonly number[];
}

const USUAL_PORTS = [80, 443];

/** @returns undefined for a text that names no host */
export function parseAllowedHost(text: string): AllowedHost | undefined {
  const [, wild, name, port] = /^(\*\.)?(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(\d+))?$/i.exec(text) ?? [];
  if (name === undefined || Number(port ?? 1) > 65_535) return undefined;
  return {
    name: bare(name),
    isWild: wild !== undefined,
    ports: port === undefined ? USUAL_PORTS : [Number(port)],
  };
}

const bare = (host: string): string =>
  host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');

/** Whether a host is one of these. */
export const covers = (hosts: readonly AllowedHost[], host: string, port: number): boolean =>
  matching(hosts, host, port).length > 0;

function matching(hosts: readonly AllowedHost[], host: string, port: number): AllowedHost[] {
  const wanted = bare(host);
  return hosts.filter(
    ({ name, isWild, ports }) =>
      ports.includes(port) && (isWild ? wanted.endsWith(`.${name}`) : wanted === name),
  );
}

/** How a host may be reached; undefined if it may not. */
export function admit(hosts: readonly AllowedHost[], host: string, port: number): LookupFunction | undefined {
  const found = matching(hosts, host, port);
  if (found.length === 0) return undefined;
  return lookupWithin(found.some(({ isWild }) => !isWild));
}

/**
 * Looks a name up and gives only addresses that it may lead to; the connection goes to what is given, so another answer
 * later changes nothing. A name that the operator wrote out may be in a private network. One that only fits a pattern
 * may belong to anybody and lead anywhere, so it must be public. None leads to this machine or to cloud metadata.
 */
function lookupWithin(isWrittenOut: boolean): LookupFunction {
  const mayLeadTo = (address: string): boolean => {
    const network = networkOf(address);
    return network === 'public' || (isWrittenOut && network === 'private' && !isLinkLocal(address));
  };
  return (name, options, callback) => {
    lookup(name, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      const fit = error ? [] : addresses.filter(({ address }) => mayLeadTo(address));
      const [first] = fit;
      if (first && options.all) return callback(null, fit);
      if (first) return callback(null, first.address, first.family);
      callback(
        error ??
          Object.assign(new Error(`${name} leads to no address that may be reached`), { code: 'EACCES' }),
        '',
        0,
      );
    });
  };
}

/** The metadata services of clouds are among these. */
const isLinkLocal = (address: string): boolean => /^(::ffff:)?169\.254\.|^fe[89ab]|^fd00:ec2:/i.test(address);
