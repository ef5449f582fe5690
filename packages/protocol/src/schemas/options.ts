import { z } from 'zod';
import { MAX_PERMISSION_TIMEOUT_SECONDS } from '../constants.ts';
import { EFFORTS, PERMISSION_MODES, PERMISSION_PROMPTS, SETTING_SOURCES } from '../reasons.ts';
import { CustomTool, Hooks } from './call.ts';
import { ArgumentText, JsonObject, ModelName } from './common.ts';

export const PermissionMode = z.enum(PERMISSION_MODES);
export type PermissionMode = z.infer<typeof PermissionMode>;

const Text = z.string().min(1);
const Names = z.array(ArgumentText);

// Nested definitions are the agent SDK's own, with its own names; the edge refuses fields that are not in them.

const ToolPolicy = z.object({
  name: Text,
  permission_policy: z.enum(['always_allow', 'always_ask', 'always_deny']).optional(),
});
const mcpCommon = {
  timeout: z
    .int()
    .min(1)
    .optional()
    .meta({ description: 'Of one tool call, in milliseconds; at least 1000' }),
  alwaysLoad: z
    .boolean()
    .optional()
    .meta({ description: 'True: its tools stand in every request, never behind the tool search' }),
};

export const McpServer = z.union([
  z.object({
    type: z.literal('stdio').optional(),
    command: Text,
    args: z.array(z.string()).optional(),
    env: z.record(z.string(), z.string()).optional(),
    ...mcpCommon,
  }),
  z.object({
    type: z.enum(['sse', 'http']),
    url: z.url(),
    headers: z.record(z.string(), z.string()).optional(),
    tools: z.array(ToolPolicy).optional(),
    ...mcpCommon,
  }),
]);

const Effort = z.enum(EFFORTS);

/** The agent SDK's AgentDefinition. */
export const SubagentDefinition = z.object({
  description: Text,
  prompt: Text,
  tools: z.array(z.string()).optional(),
  disallowedTools: z.array(z.string()).optional(),
  model: z.string().optional(),
  mcpServers: z.array(z.union([Text, z.record(Text, McpServer)])).optional(),
  criticalSystemReminder_EXPERIMENTAL: z.string().optional(),
  skills: z.array(Text).optional(),
  initialPrompt: Text.optional(),
  maxTurns: z.int().min(1).optional(),
  autoCompactWindow: z.int().min(1).optional(),
  background: z.boolean().optional(),
  omitClaudeMd: z.boolean().optional(),
  memory: z.enum(SETTING_SOURCES).optional(),
  effort: z.union([Effort, z.int()]).optional(),
  permissionMode: PermissionMode.optional(),
  observer: Text.optional(),
  observerMessage: z.string().optional(),
});

const SystemPrompt = z.union([
  Text,
  z.object({
    type: z.literal('preset'),
    preset: z.literal('claude_code'),
    append: Text.optional(),
    excludeDynamicSections: z.boolean().optional(),
    snapshot: z.boolean().optional(),
  }),
  z.object({
    type: z.literal('custom'),
    prompt: z.union([Text, z.array(Text)]),
    snapshot: z.boolean().optional(),
  }),
]);

const Thinking = z.discriminatedUnion('type', [
  z.object({ type: z.literal('adaptive'), display: z.enum(['summarized', 'omitted']).optional() }),
  z.object({
    type: z.literal('enabled'),
    budgetTokens: z.int().min(1).optional(),
    display: z.enum(['summarized', 'omitted']).optional(),
  }),
  z.object({ type: z.literal('disabled') }),
]);

const Plugin = z.object({
  type: z.literal('local').default('local'),
  path: ArgumentText.meta({ description: 'Folder of the plugin, inside the roots' }),
  skipMcpDiscovery: z.boolean().optional(),
});

/** What stays the same for the life of a session: how its agent process is started, every time. */
export const SessionOptions = z.object({
  system_prompt: SystemPrompt.optional().meta({
    description:
      'A text replaces the agent\'s own system prompt; `{type: "preset", preset: "claude_code", append}` adds to it',
  }),
  hooks: Hooks.optional().meta({ description: 'Decided over HTTP, each in at most its timeout' }),
  custom_tools: z
    .array(CustomTool)
    .optional()
    .meta({ description: "Tools of the caller's own, whose calls are answered over HTTP" }),
  enable_proxy: z
    .boolean()
    .optional()
    .meta({ description: "Send model calls through this server's gateway; default false" }),
  allowed_tools: Names.optional().meta({ description: 'Tools that run without being asked for' }),
  disallowed_tools: Names.optional().meta({ description: 'Tools that the agent does not have' }),
  tools: z
    .union([Names, z.object({ type: z.literal('preset'), preset: z.literal('claude_code') })])
    .optional()
    .meta({ description: 'The built-in tools that there are at all; `[]` for none' }),
  tool_aliases: z
    .record(Text, Text)
    .optional()
    .meta({ description: 'Tool name → the tool that is run in its place' }),
  tool_config: z
    .strictObject({
      askUserQuestion: z.object({ previewFormat: z.enum(['markdown', 'html']).optional() }).optional(),
    })
    .optional(),
  additional_directories: Names.optional(),
  mcp_servers: z.record(Text, McpServer).optional(),
  strict_mcp_config: z
    .boolean()
    .optional()
    .meta({ description: 'Only the MCP servers given here, none of settings files or plugins' }),
  agents: z.record(Text, SubagentDefinition).optional(),
  agent: Text.optional().meta({ description: 'The one of `agents` that the main conversation is led by' }),
  plugins: z.array(Plugin).optional(),
  skills: z
    .union([z.literal('all'), z.array(Text)])
    .optional()
    .meta({ description: 'The skills that the agent has' }),
  settings: JsonObject.optional().meta({
    description:
      "Settings in the form of Claude Code's settings.json; the server's own come on top. They stand on the agent's command line: put no secret in them",
  }),
  sandbox: JsonObject.optional().meta({
    description: "Claude Code's own sandbox for commands: its `sandbox` settings",
  }),
  thinking: Thinking.optional(),
  betas: z.array(Text).optional().meta({ description: "Anthropic's beta headers" }),
  max_turns: z.int().min(1).optional(),
  max_budget_usd: z.number().positive().optional(),
  task_budget: z
    .strictObject({ total: z.int().min(1) })
    .optional()
    .meta({ description: 'Tokens that the model is told it may use for a task' }),
  fallback_model: ModelName.optional(),
  background_model: ModelName.optional(),
  effort: Effort.optional(),
  output_format: z.object({ type: z.literal('json_schema'), schema: JsonObject }).optional(),
  plan_mode_instructions: Text.optional(),
  permission_prompts: z
    .enum(PERMISSION_PROMPTS)
    .optional()
    .meta({ description: '`none`: what would be asked for is denied at once' }),
  verbatim_prompts: z
    .boolean()
    .optional()
    .meta({ description: 'Messages reach the model as written: no @file, no /command' }),
  include_hook_events: z.boolean().optional(),
  prompt_suggestions: z.boolean().optional(),
  agent_progress_summaries: z.boolean().optional(),
  setting_sources: z.array(z.enum(SETTING_SOURCES)).optional().meta({
    description:
      'Whose settings count; default: all. Of a folder that is not trusted, `project` brings its instructions (CLAUDE.md, .claude/rules) only, `local` nothing',
  }),
  trust_project: z.boolean().optional().meta({
    description:
      'Whether what the folder brings may run: hooks, settings, MCP servers, plugins, skills, git programs. Default false; true needs `allow_trust_project` in the configuration',
  }),
  permission_timeout_seconds: z
    .number()
    .min(0)
    .max(MAX_PERMISSION_TIMEOUT_SECONDS)
    .optional()
    .meta({ description: 'How long a permission request waits; 0 waits for ever' }),
});
export type SessionOptions = z.infer<typeof SessionOptions>;
