import { type AgentClient, createClient } from 'claude-agent-client';

/** Where the console is, with a slash at its end; the server may stand behind a path prefix. */
export const consoleUrl = new URL(document.baseURI);

/** The server's own address: one step above the console. */
export const serverUrl = new URL('..', consoleUrl);

/** The one client of the page. The browser adds the cookie of the sign-in; the page itself holds no key. */
export const client: AgentClient = createClient({ baseUrl: serverUrl.href });
