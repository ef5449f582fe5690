import type { Agent } from '../agent/agent.ts';
import type { Workspaces } from './workspaces.ts';

/** An agent whose processes are known to the workspaces that they work in. */
export const inWorkspaces = (agent: Agent, workspaces: Pick<Workspaces, 'begin'>): Agent => ({
  ...agent,
  async start(options, events, signal) {
    const end = await workspaces.begin({ id: options.sessionId, cwd: options.cwd });
    const onExit: typeof events.onExit = (exit) => {
      events.onExit(exit);
      end({ changed: true });
    };
    try {
      return await agent.start(options, { ...events, onExit }, signal);
    } catch (error) {
      end({ changed: false });
      throw error;
    }
  },
});
