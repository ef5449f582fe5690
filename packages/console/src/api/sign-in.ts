import { type QueryClient, queryOptions } from '@tanstack/react-query';
import { isProblem } from 'claude-agent-client';
import { client, consoleUrl, serverUrl } from './client.ts';
import { type Me, meQuery } from './me.ts';

const ERROR = 'sign_in_error';

/**
 * Why the identity provider has signed nobody in, from the address that the server sent the browser back to. Read when the page
 * starts, and taken out of the address: it is not to be kept, or sent to anybody.
 */
export const signInError: string | undefined = takeError();

function takeError(): string | undefined {
  const url = new URL(location.href);
  const error = url.searchParams.get(ERROR);
  if (error === null) return undefined;
  url.searchParams.delete(ERROR);
  history.replaceState(history.state, '', url);
  return error;
}

/** Where a click goes that signs in at the identity provider, which comes back to this page. */
export function providerUrl(): string {
  const url = new URL('sign-in/oidc', serverUrl);
  url.searchParams.set('return_to', location.href.slice(consoleUrl.href.length));
  return url.href;
}

/** How people can sign in. */
export const signInQuery = queryOptions({
  queryKey: ['sign-in'],
  queryFn: ({ signal }) => client.call('getSignIn', {}, { signal }),
  staleTime: 0,
});

/** Takes over who is signed in now. What was refused before is asked for again. */
export function enter(queries: QueryClient, me: Me): void {
  queries.setQueryData(meQuery.queryKey, me);
  void queries.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== meQuery.queryKey[0] });
}

/**
 * Gets the next token of a user of the identity provider. One tab at a time: a provider may take each refresh token
 * once only, and the next tab finds the new cookie.
 * @returns undefined when the user has to sign in again
 */
export const renewSignIn = (known: Me | undefined): Promise<Me | undefined> =>
  // Locks exist on secure pages only (HTTPS, or this machine).
  'locks' in navigator
    ? navigator.locks.request(`sign-in ${serverUrl.href}`, () => renewNow(known))
    : renewNow(known);

async function renewNow(known: Me | undefined): Promise<Me | undefined> {
  const { renewable } = await client.call('getSignIn');
  if (!renewable) return undefined;
  if (known) {
    const now = await client.call('me').catch(() => undefined);
    if (now && now.expires_at !== known.expires_at) return now;
  }
  try {
    return await client.call('renewSignIn');
  } catch (error) {
    if (isProblem(error, 'sign_in_over')) return undefined;
    throw error;
  }
}
