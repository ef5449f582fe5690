import type { ContentBlock, CreateSession } from 'claude-agent-protocol';
import { type SdkOptions, sessionOptionEntries } from 'claude-agent-protocol/session-options';
import { UnsupportedOption } from './errors.ts';
import type { HookOptions, InProcessServer } from './query-callbacks.ts';

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

/** A form of an MCP server that waits to be filled in, or an address to open; the same as the agent SDK's. */
export interface ElicitationRequest {
  serverName: string;
  message: string;
  mode?: 'form' | 'url';
  url?: string;
  elicitationId?: string;
  requestedSchema?: Record<string, unknown>;
  title?: string;
  displayName?: string;
  description?: string;
}

export interface ElicitationResult {
  action: 'accept' | 'decline' | 'cancel';
  content?: Record<string, string | number | boolean | string[]>;
}

/** Fills in a form; the same as the agent SDK's callback. `null` leaves the answer to another client. */
export type OnElicitation = (
  request: ElicitationRequest,
  options: { signal: AbortSignal; requestId: string },
) => Promise<ElicitationResult | null>;

/** A message to the agent when the prompt is a stream; the same as the agent SDK's. */
export interface UserPrompt {
  type: 'user';
  message: { role: 'user'; content: string | ContentBlock[] };
  parent_tool_use_id: string | null;
  session_id?: string;
  uuid?: string;
}

/** The agent SDK's options that become a session's own, by the SDK's names. */
type OptionsOfSession = {
  [N in keyof SdkOptions]?: NonNullable<CreateSession[SdkOptions[N]]>;
};

/** The agent SDK's options, as far as they make sense over HTTP, and three of our own. */
export interface QueryOptions extends Omit<OptionsOfSession, 'hooks' | 'mcpServers' | 'systemPrompt'> {
  /** Where the server is. Default: `CLAUDE_AGENT_SERVER`, else `http://127.0.0.1:8000`. */
  server?: string;
  /** Default: `CLAUDE_AGENT_API_KEY`. */
  apiKey?: string;
  /** Leave the session's process running on the server at the end. */
  keepSession?: boolean;

  abortController?: AbortController;
  canUseTool?: CanUseTool;
  continue?: boolean;
  hooks?: HookOptions;
  includePartialMessages?: boolean;
  mcpServers?: Record<string, NonNullable<CreateSession['mcp_servers']>[string] | InProcessServer>;
  /** Without it forms are declined. */
  onElicitation?: OnElicitation;
  systemPrompt?: NonNullable<CreateSession['system_prompt']> | string[];

  /** Without effect: the server decides where the agent is, how it starts, and whether bypassing is allowed. */
  allowDangerouslySkipPermissions?: boolean;
  enableFileCheckpointing?: boolean;
  executable?: 'bun' | 'deno' | 'node';
  executableArgs?: string[];
  pathToClaudeCodeExecutable?: string;
  persistSession?: boolean;
  stderr?: (data: string) => void;
}

/** Which field of a new session an option of the same meaning sets. */
const FIELDS = new Map(
  sessionOptionEntries.flatMap(([field, { sdk }]) => (sdk === undefined ? [] : [[sdk, field] as const])),
);

/** The options that become nothing of a session. */
const OTHERS: Record<Exclude<keyof QueryOptions, keyof SdkOptions>, true> = {
  server: true,
  apiKey: true,
  keepSession: true,
  abortController: true,
  canUseTool: true,
  continue: true,
  includePartialMessages: true,
  onElicitation: true,
  allowDangerouslySkipPermissions: true,
  enableFileCheckpointing: true,
  executable: true,
  executableArgs: true,
  pathToClaudeCodeExecutable: true,
  persistSession: true,
  stderr: true,
};

/**
 * What a new session is made of.
 * @throws UnsupportedOption for an option that cannot work over HTTP: leaving it out silently could be dangerous
 * (a hook that guards something, for example)
 */
export function sessionOptionsOf(options: QueryOptions): CreateSession {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const unknown = given
    .map(([name]) => name)
    .filter((name) => !FIELDS.has(name) && !Object.hasOwn(OTHERS, name));
  if (typeof options.settings === 'string') unknown.push('settings (as the path of a file)');
  if (unknown.length > 0) throw new UnsupportedOption(unknown);

  const fields = given.flatMap(([name, value]) => {
    const field = FIELDS.get(name);
    return field === undefined ? [] : [[field, value] as const];
  });
  const create = Object.fromEntries(fields) as CreateSession;
  // Two of the SDK's forms that the API has one of.
  if (Array.isArray(options.systemPrompt)) {
    create.system_prompt = { type: 'custom', prompt: options.systemPrompt };
  }
  // They are called back in this program: query-callbacks.ts says what the session has to know of them.
  delete create.hooks;
  if (options.mcpServers) {
    create.mcp_servers = Object.fromEntries(
      Object.entries(options.mcpServers).flatMap(([name, server]) =>
        server.type === 'sdk' ? [] : [[name, server]],
      ),
    );
  }
  return create;
}

/** The servers that live in this program. */
export const inProcessServers = ({ mcpServers = {} }: QueryOptions): Record<string, InProcessServer> =>
  Object.fromEntries(
    Object.entries(mcpServers).flatMap(([name, server]) => (server.type === 'sdk' ? [[name, server]] : [])),
  );
