/**
 * Who can reach a server that listens for programs of its own machine only. One rule for the server, the gateway and
 * the programs that look for them. Free of zod.
 */

/** Whether a host name or address can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d+){3}$/.test(host);
}

/**
 * What shows that a request comes from a web page that may not send it; undefined when nothing does.
 *
 * A page can send requests to a server on loopback too, without asking first when they are plain text. But its browser
 * names the page in `Origin`, and after DNS rebinding the page's own name in `Host`. A page of the server itself
 * (its documentation) has the origin that `Host` names.
 *
 * @param onLoopback whether the server listens for this machine only
 */
export function foreignPage(
  { host = '', origin }: { host?: string | undefined; origin?: string | undefined },
  onLoopback: boolean,
): 'host' | 'origin' | undefined {
  if (onLoopback && !isLoopback(host.replace(/:\d+$/, ''))) return 'host';
  return origin === undefined || isSameOrigin(origin, host) ? undefined : 'origin';
}

function isSameOrigin(origin: string, host: string): boolean {
  const named = URL.parse(`http://${host}`)?.host;
  return named !== undefined && URL.parse(origin)?.host === named;
}
