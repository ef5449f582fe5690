const LONGEST = 2_000;
/** Only a place to resolve against: the address below it is what counts. */
const CONSOLE = 'https://console.invalid/console/';

/**
 * A page of the console, as the query of a link names it, relative to the console's own address: `sessions/ID?view=all`.
 * Everything else, such as the address of another site, is the console's first page: whoever makes the link must not choose where
 * the browser goes after the sign-in.
 */
export function pageOfConsole(given: string | undefined): string {
  if (given === undefined || given.length > LONGEST) return '';
  const url = URL.parse(given, CONSOLE);
  return url?.href.startsWith(CONSOLE) ? url.href.slice(CONSOLE.length) : '';
}

/** The same page with the reason why nobody is signed in, for the console to show. */
export function withError(page: string, reason: string): string {
  const url = new URL(page, CONSOLE);
  url.searchParams.set('sign_in_error', reason);
  return url.href.slice(CONSOLE.length);
}
