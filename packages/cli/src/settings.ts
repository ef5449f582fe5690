import { homedir } from 'node:os';
import { join } from 'node:path';
import { environmentDefaults } from 'claude-agent-client';

/** What the program takes from its surroundings; read once, at the start. */
export interface Settings {
  server: string;
  apiKey: string | undefined;
  color: boolean;
  /** The folder the command was typed in. */
  cwd: string;
  historyFile: string;
  /** What a user types to start this program. */
  program: string;
}

/** The terminal client's only look at the environment. */
export function readSettings(env: NodeJS.ProcessEnv, isTerminal: boolean): Settings {
  const { server, apiKey } = environmentDefaults();
  const state = env.XDG_STATE_HOME || join(homedir(), '.local', 'state');
  return {
    server,
    apiKey,
    color: env.FORCE_COLOR ? env.FORCE_COLOR !== '0' : isTerminal && !env.NO_COLOR && env.TERM !== 'dumb',
    cwd: process.cwd(),
    historyFile: join(state, 'claude-agent', 'history.jsonl'),
    program: env.CLAUDE_AGENT_PROGRAM || 'claude-agent',
  };
}
