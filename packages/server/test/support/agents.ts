import { readdirSync, readFileSync } from 'node:fs';

/** Whether this machine lets a test look into other processes. */
export const CAN_SEE_PROCESSES = process.platform === 'linux';

export interface SeenProcess {
  pid: number;
  env: Record<string, string>;
  /** With its arguments. */
  command: string;
}

/** The agent and what it started, without the two processes of bubblewrap around it. */
export const agentsOf = (sessionId: string): SeenProcess[] =>
  processesOf(sessionId).filter(({ command }) => !/^\S*bwrap /.test(command));

/** The processes that belong to a session, oldest first (the agent itself), each with its environment. */
export function processesOf(sessionId: string): SeenProcess[] {
  const mark = `CLAUDE_AGENT_SERVER_SESSION=${sessionId}`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const entries = readFileSync(`/proc/${name}/environ`, 'utf8').split('\0');
        if (!entries.includes(mark)) return [];
        const env = Object.fromEntries(
          entries.filter(Boolean).map((entry) => {
            const equals = entry.indexOf('=');
            return [entry.slice(0, equals), entry.slice(equals + 1)] as const;
          }),
        );
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return [{ pid: Number(name), env, command }];
      } catch {
        // gone meanwhile, or another user's
        return [];
      }
    })
    .sort((a, b) => a.pid - b.pid);
}
