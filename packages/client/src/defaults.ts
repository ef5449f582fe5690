import { DEFAULT_SERVER } from 'claude-agent-protocol/constants';

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
