import type { IncomingMessage } from 'node:http';
import { type Failure, failure } from '../messages/errors.ts';

/** Whether an address can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d+){3}$/.test(host);
}

/**
 * A gateway without keys is for programs of this machine. A web page can send requests here too, without asking first
 * when they are plain text, but its browser names the page in `Origin`, and after DNS rebinding the page's own name in
 * `Host`.
 */
export function refusePages({ headers }: IncomingMessage): Failure | undefined {
  const host = headers.host ?? '';
  if (!isLoopback(host.replace(/:\d+$/, ''))) {
    return failure(403, `This gateway answers to 127.0.0.1 and localhost, not to "${host}".`);
  }
  const { origin } = headers;
  if (origin === undefined || (URL.canParse(origin) && isLoopback(new URL(origin).hostname)))
    return undefined;
  return failure(403, `Web pages of ${origin} may not call this gateway: it has no \`keys\`.`);
}
