import { UnsupportedOption } from './errors.ts';
import type { ContentBlock } from './schema/message.ts';
import type { CreateSession, PermissionMode } from './schema/session.ts';

/** A suggestion of the agent, such as a rule to add. Give the whole list back as it came to apply it. */
export type PermissionUpdate = { type: string; [field: string]: unknown };

export type PermissionResult =
  | { behavior: 'allow'; updatedInput?: Record<string, unknown>; updatedPermissions?: PermissionUpdate[] }
  | { behavior: 'deny'; message: string; interrupt?: boolean };

/** Decides about one tool call; the same as the agent SDK's callback. */
export type CanUseTool = (
  toolName: string,
  input: Record<string, unknown>,
  options: {
    signal: AbortSignal;
    suggestions?: PermissionUpdate[];
    blockedPath?: string;
    decisionReason?: string;
    title?: string;
    description?: string;
    defaultToNo?: boolean;
    toolUseID: string;
    agentID?: string;
    requestId: string;
  },
) => Promise<PermissionResult>;

/** A message to the agent when the prompt is a stream; the same as the agent SDK's. */
export interface UserPrompt {
  type: 'user';
  message: { role: 'user'; content: string | ContentBlock[] };
  parent_tool_use_id: string | null;
  session_id?: string;
  uuid?: string;
}

/** The agent SDK's options, as far as they make sense over HTTP, and three of our own. */
export interface QueryOptions {
  /** Where the server is. Default: `CLAUDE_AGENT_SERVER`, else `http://127.0.0.1:8000`. */
  server?: string;
  /** Default: `CLAUDE_AGENT_API_KEY`. */
  apiKey?: string;
  /** Leave the session's process running on the server at the end. */
  keepSession?: boolean;

  abortController?: AbortController;
  additionalDirectories?: string[];
  agents?: NonNullable<CreateSession['agents']>;
  allowedTools?: string[];
  canUseTool?: CanUseTool;
  continue?: boolean;
  cwd?: string;
  disallowedTools?: string[];
  effort?: NonNullable<CreateSession['effort']>;
  fallbackModel?: string;
  forkSession?: boolean;
  includePartialMessages?: boolean;
  maxBudgetUsd?: number;
  maxTurns?: number;
  mcpServers?: NonNullable<CreateSession['mcp_servers']>;
  model?: string;
  outputFormat?: NonNullable<CreateSession['output_format']>;
  permissionMode?: PermissionMode;
  resume?: string;
  settingSources?: NonNullable<CreateSession['setting_sources']>;
  systemPrompt?: string | { type: 'preset'; preset: 'claude_code' };
  title?: string;

  /** Without effect: the server decides where the agent is, how it starts, and whether bypassing is allowed. */
  allowDangerouslySkipPermissions?: boolean;
  enableFileCheckpointing?: boolean;
  executable?: 'bun' | 'deno' | 'node';
  executableArgs?: string[];
  pathToClaudeCodeExecutable?: string;
  persistSession?: boolean;
  stderr?: (data: string) => void;
}

/** Which fields of a new session an option of the same meaning sets. */
const SESSION_FIELDS = {
  additionalDirectories: 'additional_directories',
  agents: 'agents',
  allowedTools: 'allowed_tools',
  cwd: 'cwd',
  disallowedTools: 'disallowed_tools',
  effort: 'effort',
  fallbackModel: 'fallback_model',
  maxBudgetUsd: 'max_budget_usd',
  maxTurns: 'max_turns',
  mcpServers: 'mcp_servers',
  model: 'model',
  outputFormat: 'output_format',
  permissionMode: 'permission_mode',
  resume: 'resume_session_id',
  settingSources: 'setting_sources',
  title: 'title',
} as const satisfies Partial<Record<keyof QueryOptions, keyof CreateSession>>;

const OTHERS: readonly string[] = [
  'server',
  'apiKey',
  'keepSession',
  'abortController',
  'canUseTool',
  'continue',
  'forkSession',
  'includePartialMessages',
  'systemPrompt',
  'allowDangerouslySkipPermissions',
  'enableFileCheckpointing',
  'executable',
  'executableArgs',
  'pathToClaudeCodeExecutable',
  'persistSession',
  'stderr',
] satisfies (keyof QueryOptions)[];

/**
 * What a new session is made of.
 * @throws UnsupportedOption for an option that cannot work over HTTP: leaving it out silently could be dangerous
 * (a hook that guards something, for example)
 */
export function sessionOptionsOf(options: QueryOptions): CreateSession {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const unknown = given
    .map(([name]) => name)
    .filter((name) => !(name in SESSION_FIELDS) && !OTHERS.includes(name));
  for (const [name, server] of Object.entries(options.mcpServers ?? {})) {
    if ((server as { type?: string }).type === 'sdk') unknown.push(`mcpServers.${name} (in-process)`);
  }
  const { systemPrompt } = options;
  if (typeof systemPrompt === 'object' && Object.keys(systemPrompt).length > 2)
    unknown.push('systemPrompt.append');
  if (unknown.length > 0) throw new UnsupportedOption(unknown);

  const fields: [string, unknown][] = given.flatMap(([name, value]) =>
    name in SESSION_FIELDS ? [[SESSION_FIELDS[name as keyof typeof SESSION_FIELDS], value]] : [],
  );
  if (typeof systemPrompt === 'string') fields.push(['system_prompt', systemPrompt]);
  if (options.forkSession) fields.push(['fork', true]);
  return Object.fromEntries(fields) as CreateSession;
}
