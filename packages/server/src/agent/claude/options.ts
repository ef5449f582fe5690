import type { Options } from '@anthropic-ai/claude-agent-sdk';
import type { StartOptions } from '../agent.ts';
import { modelEnvironment } from '../environment.ts';
import { folderOptions } from './trust.ts';

/**
 * The agent deletes every transcript of the machine that is older than this when a process starts (its default is
 * 30 days). A session here lasts until somebody deletes it: 100 years.
 */
const KEEP_TRANSCRIPTS_DAYS = 36_500;

/** What a process is started with: a session's own options in the words of the SDK. */
export function sdkOptions(start: StartOptions, allowBypassPermissions: boolean): Options {
  const { options } = start;
  const given: Options = {
    cwd: start.cwd,
    ...folderOptions(start),
    ...(start.resume ? { resume: start.conversationId } : { sessionId: start.conversationId }),
    permissionMode: start.permissionMode,
    allowDangerouslySkipPermissions: allowBypassPermissions,
    systemPrompt: options.system_prompt ?? { type: 'preset', preset: 'claude_code' },
    includePartialMessages: true,
    forwardSubagentText: true,
    enableFileCheckpointing: true,
    // Keeps the secrets of MCP servers off the command line, which every user of the machine can read.
    mcpServersDelivery: 'initialize',
    // An interrupt then ends the turn only. Without this it also kills every subagent in the background (measured).
    perTaskStopAffordance: true,
    // The flag layer: it beats the user's and the project's settings files. It travels on the command line, which
    // every user of the machine can read: no secret may stand in it.
    settings: { cleanupPeriodDays: KEEP_TRANSCRIPTS_DAYS, env: modelEnvironment(start) },
  };
  if (start.model !== undefined) given.model = start.model;
  if (start.title !== null) given.title = start.title;
  if (options.allowed_tools) given.allowedTools = options.allowed_tools;
  if (options.disallowed_tools) given.disallowedTools = options.disallowed_tools;
  if (options.mcp_servers) given.mcpServers = options.mcp_servers as NonNullable<Options['mcpServers']>;
  if (options.agents) given.agents = options.agents as NonNullable<Options['agents']>;
  if (options.max_turns !== undefined) given.maxTurns = options.max_turns;
  if (options.fallback_model !== undefined) given.fallbackModel = options.fallback_model;
  if (options.effort !== undefined) given.effort = options.effort;
  if (options.output_format !== undefined) given.outputFormat = options.output_format;
  return given;
}
