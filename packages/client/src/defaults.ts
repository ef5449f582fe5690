/** Where a server listens when nobody says otherwise. */
export const DEFAULT_SERVER = 'http://127.0.0.1:8000';

export interface EnvironmentDefaults {
  server: string;
  apiKey: string | undefined;
}

/**
 * Address and key from the environment: `CLAUDE_AGENT_SERVER` and `CLAUDE_AGENT_API_KEY`. The library's only look
 * at the environment; a browser has none.
 */
export function environmentDefaults(): EnvironmentDefaults {
  const env = typeof process === 'undefined' ? undefined : process.env;
  return {
    server: env?.CLAUDE_AGENT_SERVER || DEFAULT_SERVER,
    apiKey: env?.CLAUDE_AGENT_API_KEY || undefined,
  };
}
