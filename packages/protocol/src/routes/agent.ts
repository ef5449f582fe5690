import { z } from 'zod';
import { endpoints } from '../endpoints.ts';
import { SessionId } from '../schemas/common.ts';
import { page } from '../schemas/page.ts';
import { McpServerState } from '../schemas/session.ts';
import { route } from './route.ts';
import { ASKING, session } from './shared.ts';

const mcpServer = {
  params: z.object({
    session_id: SessionId,
    name: z.string().min(1).max(256).meta({ description: 'Name of an MCP server of the session' }),
  }),
};
const McpServers = page('servers', McpServerState);
const AgentList = <N extends string>(name: N) => page(name, z.unknown());

/** What the agent of a session offers: commands, models, subagents, MCP servers. */
export const agentRoutes = {
  getServerInfo: route({
    ...endpoints.getServerInfo,
    access: { may: 'use', of: 'session' },
    tag: 'sessions',
    summary: "The agent's own initialize answer: commands, models, output style",
    ...session,
    responses: {
      200: {
        description: "The agent's answer",
        schema: z.looseObject({
          commands: z.array(z.unknown()),
          output_style: z.string(),
          capabilities: z.unknown().optional(),
        }),
      },
    },
    problems: ASKING,
  }),
  listCommands: route({
    ...endpoints.listCommands,
    access: { may: 'use', of: 'session' },
    tag: 'sessions',
    summary: 'The slash commands and skills that the agent knows',
    ...session,
    responses: { 200: { description: "The agent's list", schema: AgentList('commands') } },
    problems: ASKING,
  }),
  listModels: route({
    ...endpoints.listModels,
    access: { may: 'use', of: 'session' },
    tag: 'sessions',
    summary: 'The models that the agent offers',
    ...session,
    responses: { 200: { description: "The agent's list", schema: AgentList('models') } },
    problems: ASKING,
  }),
  listAgents: route({
    ...endpoints.listAgents,
    access: { may: 'use', of: 'session' },
    tag: 'sessions',
    summary: 'The subagents that the agent knows',
    ...session,
    responses: { 200: { description: "The agent's list", schema: AgentList('agents') } },
    problems: ASKING,
  }),
  listMcp: route({
    ...endpoints.listMcp,
    access: { may: 'use', of: 'session' },
    tag: 'sessions',
    summary: 'MCP servers and how they are connected',
    ...session,
    responses: { 200: { description: 'All of them', schema: McpServers } },
    problems: ASKING,
  }),
  reconnectMcp: route({
    ...endpoints.reconnectMcp,
    access: { may: 'use', of: 'session' },
    tag: 'sessions',
    summary: 'Connect an MCP server again',
    ...mcpServer,
    responses: { 200: { description: 'All of them', schema: McpServers } },
    problems: [...ASKING, 'mcp_server_not_found'],
  }),
  toggleMcp: route({
    ...endpoints.toggleMcp,
    access: { may: 'use', of: 'session' },
    tag: 'sessions',
    summary: 'Switch an MCP server on or off, until the agent restarts',
    ...mcpServer,
    body: z.object({ enabled: z.boolean() }).meta({ id: 'ToggleMcp' }),
    responses: { 200: { description: 'All of them', schema: McpServers } },
    problems: [...ASKING, 'mcp_server_not_found'],
  }),
};
