import { z } from 'zod';
import { MAX_PERMISSION_TIMEOUT_SECONDS } from '../constants.ts';
import {
  CRASH_POLICIES,
  EFFORTS,
  PERMISSION_MODES,
  PERMISSION_PROMPTS,
  SETTING_SOURCES,
} from '../reasons.ts';
import {
  type KeptOption,
  type OptionFacts,
  SESSION_OPTIONS,
  type SessionOption,
} from '../session-options.ts';
import { CustomTool, Hooks } from './call.ts';
import { ArgumentText, JsonObject, ModelName } from './common.ts';
import { HostPattern } from './secrets.ts';

export const PermissionMode = z.enum(PERMISSION_MODES);
export type PermissionMode = z.infer<typeof PermissionMode>;

const Text = z.string().min(1);
const Names = z.array(ArgumentText);
/** The agent does not start with any other. */
const SkillName = ArgumentText.regex(
  /^[^\s(),]+( [^\s(),]+)*$/,
  'must have no parentheses, commas, line breaks, or spaces around it',
);

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
    .meta({ description: 'Timeout of a tool call in milliseconds; at least 1000' }),
  alwaysLoad: z
    .boolean()
    .optional()
    .meta({ description: 'True: every request lists its tools; they are not deferred to the tool search' }),
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

/** What an agent reaches, as a session or a policy says. */
export const SessionNetwork = z.strictObject({
  mode: z.enum(['limited', 'none']),
  hosts: z.array(HostPattern).max(1_000).optional(),
});

/** The form of every option that is kept for the life of a session; the rest of it stands in the table. */
const FORMS = {
  system_prompt: SystemPrompt,
  hooks: Hooks,
  custom_tools: z.array(CustomTool),
  enable_proxy: z.boolean(),
  allowed_tools: Names,
  disallowed_tools: Names,
  tools: z.union([Names, z.object({ type: z.literal('preset'), preset: z.literal('claude_code') })]),
  tool_aliases: z.record(Text, Text),
  tool_config: z.strictObject({
    askUserQuestion: z.object({ previewFormat: z.enum(['markdown', 'html']).optional() }).optional(),
  }),
  additional_directories: Names,
  mcp_servers: z.record(Text, McpServer),
  strict_mcp_config: z.boolean(),
  agents: z.record(Text, SubagentDefinition),
  agent: ArgumentText,
  plugins: z.array(Plugin),
  skills: z.union([z.literal('all'), z.array(SkillName)]),
  settings: JsonObject,
  sandbox: JsonObject,
  network: SessionNetwork,
  thinking: Thinking,
  // They become one header, separated by commas.
  betas: z.array(
    z.string().regex(/^[\w.-]{1,128}$/, 'must be letters, digits, dots, hyphens and underscores'),
  ),
  max_turns: z.int().min(1),
  max_budget_usd: z.number().positive(),
  task_budget: z.strictObject({ total: z.int().min(1) }),
  fallback_model: ModelName,
  background_model: ModelName,
  effort: Effort,
  output_format: z.object({ type: z.literal('json_schema'), schema: JsonObject }),
  plan_mode_instructions: Text,
  permission_prompts: z.enum(PERMISSION_PROMPTS),
  verbatim_prompts: z.boolean(),
  include_hook_events: z.boolean(),
  prompt_suggestions: z.boolean(),
  agent_progress_summaries: z.boolean(),
  setting_sources: z.array(z.enum(SETTING_SOURCES)),
  trust_project: z.boolean(),
  permission_timeout_seconds: z.number().min(0).max(MAX_PERMISSION_TIMEOUT_SECONDS),
  on_crash: z.enum(CRASH_POLICIES),
  park_after_seconds: z.number().min(0).max(MAX_PERMISSION_TIMEOUT_SECONDS),
  sleep_after_seconds: z.number().min(0).max(MAX_PERMISSION_TIMEOUT_SECONDS),
} satisfies Record<KeptOption, z.ZodType>;

/** A schema with what the table says of its option. */
export function described<S extends z.ZodType>(option: SessionOption, schema: S): S {
  const { description }: OptionFacts = SESSION_OPTIONS[option];
  return description === undefined ? schema : schema.meta({ description });
}

/** The forms as an object's shape: each may be left out. */
function shape() {
  const fields = (Object.keys(FORMS) as KeptOption[]).map((name) => [
    name,
    described(name, FORMS[name].optional()),
  ]);
  return Object.fromEntries(fields) as {
    [O in KeptOption]: z.ZodOptional<(typeof FORMS)[O]>;
  };
}

/** What stays the same for the life of a session: how its agent process is started, every time. */
export const SessionOptions = z.object(shape());
export type SessionOptions = z.infer<typeof SessionOptions>;
