import { routes } from 'claude-agent-protocol';
import type { Hono } from 'hono';
import type { AgentProcess } from '../../agent/agent.ts';
import { problem } from '../../errors.ts';
import type { HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { mount } from '../mount.ts';
import { named } from '../page.ts';

/** What a session's agent knows and offers: it is asked, and started for that. */
export function agentRoutes(app: Hono<HttpEnv>, { sessions }: AppDeps): void {
  mount(app, routes.getServerInfo, async ({ params }) => {
    const session = await sessions.getOpen(params.session_id);
    return session.ask((process) => process.serverInfo());
  });

  mount(app, routes.listCommands, async ({ params }) => {
    const session = await sessions.getOpen(params.session_id);
    return named('commands', await session.ask((live) => live.commands()), null);
  });

  mount(app, routes.listModels, async ({ params }) => {
    const session = await sessions.getOpen(params.session_id);
    return named('models', await session.ask((live) => live.models()), null);
  });

  mount(app, routes.listAgents, async ({ params }) => {
    const session = await sessions.getOpen(params.session_id);
    return named('agents', await session.ask((live) => live.agents()), null);
  });

  const mcp = async (sessionId: string) => {
    const session = await sessions.getOpen(sessionId);
    return named('servers', await session.ask((live) => live.mcpServers()), null);
  };

  mount(app, routes.listMcp, ({ params }) => mcp(params.session_id));

  mount(app, routes.reconnectMcp, async ({ params: { session_id, name } }) => {
    const session = await sessions.getOpen(session_id);
    await session.ask((live) => requireMcp(live, name));
    await session.ask((live) => live.reconnectMcp(name));
    return mcp(session_id);
  });

  mount(app, routes.toggleMcp, async ({ params: { session_id, name }, body: { enabled } }) => {
    const session = await sessions.getOpen(session_id);
    await session.ask((live) => requireMcp(live, name));
    await session.ask((live) => live.toggleMcp(name, enabled));
    return mcp(session_id);
  });
}

async function requireMcp(live: AgentProcess, name: string): Promise<void> {
  const names = (await live.mcpServers()).map((server) => server.name);
  if (names.includes(name)) return;
  throw problem('mcp_server_not_found', { name, known: names });
}
