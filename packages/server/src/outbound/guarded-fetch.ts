import { lookup as resolve } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { Agent, fetch } from 'undici';
import { addressIn, type Reach, reaches } from './addresses.ts';

/** A request that leads where the configuration does not allow. */
class AddressNotAllowed extends Error {}

export interface GuardedRequest {
  method: string;
  headers: Record<string, string>;
  body?: string | Uint8Array;
  signal: AbortSignal;
}

/** What is needed of an answer. */
export type GuardedResponse = Pick<Awaited<ReturnType<typeof fetch>>, 'status' | 'headers' | 'body'>;

/**
 * Requests to addresses that callers have named. What counts is the address that is connected to, not the name: it is
 * looked up once, compared, and used (a name may lead to another address a moment later). Redirects are not followed.
 */
export interface GuardedFetch {
  /** @throws AddressNotAllowed, or the error of the connection */
  fetch(url: string, request: GuardedRequest): Promise<GuardedResponse>;
  close(): Promise<void>;
}

/** @param reach which addresses are allowed */
export function createGuardedFetch(reach: Reach, lookup: typeof resolve = resolve): GuardedFetch {
  const guardedLookup: LookupFunction = (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, '');
      const allowed = found.filter(({ address }) => reaches(reach, address));
      const [first] = allowed;
      if (!first) return callback(notAllowed(hostname, found[0]?.address ?? 'no address'), '');
      if (options.all) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
  const agent = new Agent({ connect: { lookup: guardedLookup } });
  return {
    async fetch(url, request) {
      // A host that is an address is not looked up.
      const address = addressIn(new URL(url).hostname);
      if (address !== undefined && !reaches(reach, address)) throw notAllowed(address, address);
      try {
        return await fetch(url, { ...request, redirect: 'manual', dispatcher: agent });
      } catch (error) {
        throw error instanceof TypeError && error.cause instanceof AddressNotAllowed ? error.cause : error;
      }
    },
    close: () => agent.close(),
  };
}

const notAllowed = (host: string, address: string): AddressNotAllowed =>
  new AddressNotAllowed(
    host === address
      ? `${host} is an address that the configuration does not allow`
      : `${host} leads to ${address}, an address that the configuration does not allow`,
  );
