/**
 * Every option of a session, once. An entry here and its form in `schemas/options.ts` (or `schemas/session.ts`) are all
 * that a new option needs: the schema's shape and descriptions, the SDK's options, `query()`'s options, the program's
 * flags, what a running agent can take and what policy looks at come from this table, and the compiler refuses an
 * entry without a form, a form without an entry, and an option without its check. Free of zod.
 */
import { MODEL_ALIASES, PERMISSION_MODES } from './reasons.ts';

/** What is known of one option, besides its form. */
export interface OptionFacts {
  /** For the people who set it: stands in the OpenAPI document. */
  description?: string;
  /** The agent SDK's option of the same meaning. */
  sdk?: string;
  /** How it gets there: as it is, or through code of its own. */
  handed?: 'same' | 'own';
  /** A session with a live process takes it, too; all others need the process to start anew. */
  live?: true;
  /** It can make something run that nobody is asked for: sessions/policy.ts decides about it. */
  policy?: true;
  /** The flag of the terminal program that sets it. */
  flag?: FlagFacts;
}

/** How a flag is typed, and what its text becomes. */
export interface FlagFacts {
  name: string;
  short?: string;
  /** What the help calls its value; a switch has none. */
  value?: string;
  /** The words that it usually is, for the shell's completion. */
  values?: readonly string[];
  help: string;
  form: keyof FlagValues;
  /** The least that a number may be. */
  min?: number;
}

/** What the text of a flag becomes, by its form. */
export interface FlagValues {
  switch: boolean;
  text: string;
  /** Separated by commas. */
  list: string[];
  integer: number;
  number: number;
}

/** How the agent process is started, every time: kept for the life of the session. */
const KEPT = {
  system_prompt: {
    description:
      'Text replaces the agent\'s system prompt; `{type: "preset", preset: "claude_code", append}` extends it',
    sdk: 'systemPrompt',
    handed: 'own',
    flag: {
      name: 'system-prompt',
      value: 'TEXT',
      help: "Replaces the agent's own system prompt",
      form: 'text',
    },
  },
  hooks: {
    description: 'Hooks that are decided over HTTP, each within its timeout',
    sdk: 'hooks',
    handed: 'own',
    policy: true,
  },
  custom_tools: {
    description: 'Tools of the caller, whose calls are answered over HTTP',
    policy: true,
  },
  enable_proxy: {
    description: "Send model calls through this server's gateway; default false",
    flag: {
      name: 'proxy',
      help: "Send the agent's model calls through the server's gateway",
      form: 'switch',
    },
  },
  allowed_tools: {
    description: 'Tools that run without a permission request',
    sdk: 'allowedTools',
    handed: 'same',
    policy: true,
    flag: {
      name: 'allowed-tools',
      value: 'TOOLS',
      help: 'Tools that need no permission, with commas',
      form: 'list',
    },
  },
  disallowed_tools: {
    description: 'Tools that the agent does not have',
    sdk: 'disallowedTools',
    handed: 'same',
    flag: {
      name: 'disallowed-tools',
      value: 'TOOLS',
      help: 'Tools the agent may not use, with commas',
      form: 'list',
    },
  },
  tools: {
    description: 'The built-in tools that exist; `[]` for none',
    sdk: 'tools',
    handed: 'same',
  },
  tool_aliases: {
    description: 'Tool name → the tool that runs instead',
    sdk: 'toolAliases',
    handed: 'same',
  },
  tool_config: { sdk: 'toolConfig', handed: 'same' },
  additional_directories: { sdk: 'additionalDirectories', handed: 'own' },
  mcp_servers: { sdk: 'mcpServers', handed: 'same', policy: true },
  strict_mcp_config: {
    description: 'Use only the MCP servers given here, none from settings files or plugins',
    sdk: 'strictMcpConfig',
    handed: 'same',
  },
  agents: { sdk: 'agents', handed: 'same', policy: true },
  agent: {
    description: 'The one of `agents` that leads the main conversation',
    sdk: 'agent',
    handed: 'same',
  },
  plugins: { sdk: 'plugins', handed: 'same', policy: true },
  skills: { description: 'The skills that the agent has', sdk: 'skills', handed: 'same' },
  settings: {
    description:
      "Settings in the format of Claude Code's settings.json; the server's settings override them. They appear on the agent's command line: do not put secrets in them",
    sdk: 'settings',
    handed: 'own',
    policy: true,
  },
  sandbox: {
    description: "Claude Code's sandbox for commands: its `sandbox` settings",
    sdk: 'sandbox',
    handed: 'same',
    policy: true,
  },
  network: {
    description:
      "What the agent reaches, within the server's own network: `limited` to `hosts` (without them, to those of the server), or `none`. Model calls then go through the gateway. Needs the server's sandbox",
    policy: true,
  },
  thinking: { sdk: 'thinking', handed: 'same' },
  betas: { description: "Anthropic's beta headers", sdk: 'betas', handed: 'own' },
  max_turns: {
    sdk: 'maxTurns',
    handed: 'same',
    flag: { name: 'max-turns', value: 'N', help: 'Most model answers in one turn', form: 'integer', min: 1 },
  },
  max_budget_usd: {
    sdk: 'maxBudgetUsd',
    handed: 'own',
    flag: {
      name: 'max-budget-usd',
      value: 'USD',
      help: 'Most the session may cost',
      form: 'number',
      min: 0.000001,
    },
  },
  task_budget: {
    description: 'Tokens that the model is told to use at most for a task',
    sdk: 'taskBudget',
    handed: 'same',
  },
  fallback_model: { sdk: 'fallbackModel', handed: 'same' },
  background_model: {},
  effort: { sdk: 'effort', handed: 'same' },
  output_format: { sdk: 'outputFormat', handed: 'same' },
  plan_mode_instructions: { sdk: 'planModeInstructions', handed: 'same' },
  permission_prompts: {
    description: '`none`: permission requests are denied at once',
    sdk: 'permissionPrompts',
    handed: 'same',
  },
  verbatim_prompts: {
    description: 'Messages reach the model as written: @file and /command have no effect',
    sdk: 'verbatimPrompts',
    handed: 'same',
  },
  include_hook_events: { sdk: 'includeHookEvents', handed: 'same' },
  prompt_suggestions: { sdk: 'promptSuggestions', handed: 'same' },
  agent_progress_summaries: { sdk: 'agentProgressSummaries', handed: 'same' },
  setting_sources: {
    description:
      'Which settings apply; default: all. In an untrusted folder, `project` brings only its instructions (CLAUDE.md, .claude/rules), and `local` nothing',
    sdk: 'settingSources',
    handed: 'own',
  },
  trust_project: {
    description:
      'Whether hooks, settings, MCP servers, plugins, skills and git programs of the folder may run. Default false; true needs `allow_trust_project` in the configuration',
    policy: true,
  },
  permission_timeout_seconds: {
    description: 'Seconds that a permission request waits; 0 means no limit',
    live: true,
  },
  on_crash: {
    description:
      'A turn that runs when its agent or the server dies is interrupted (default), or goes on once in another process: `resume`',
    live: true,
  },
  park_after_seconds: {
    description:
      'When a durable permission request has waited this long, its agent process is let go until somebody answers. Default 60',
    live: true,
  },
  sleep_after_seconds: {
    description:
      'An agent process that has been idle this long ends; the next message starts another, with the context. Default 300; 0 means never',
    live: true,
  },
} as const satisfies Record<string, OptionFacts>;

/** What is given when a session is made, and kept with the session itself. */
const OWN = {
  resume_session_id: { sdk: 'resume', handed: 'own' },
  fork: {
    description: 'With resume_session_id: continue in a copy',
    sdk: 'forkSession',
    handed: 'own',
  },
  force: {
    description:
      'With resume_session_id: resume even if another process has the conversation open or has continued it',
    live: true,
  },
  start: {
    description: '`lazy`: no agent process starts before the first message',
    live: true,
  },
  model: {
    sdk: 'model',
    handed: 'own',
    live: true,
    flag: {
      name: 'model',
      short: 'm',
      value: 'MODEL',
      values: MODEL_ALIASES,
      help: 'Model of the session',
      form: 'text',
    },
  },
  cwd: {
    sdk: 'cwd',
    handed: 'own',
    flag: { name: 'cwd', value: 'DIR', help: 'Folder the agent works in (on the server)', form: 'text' },
  },
  workspace: {
    description:
      'Instead of `cwd`: a folder of its own, made from a git repository or a snapshot. It is saved whenever the agent process ends, and restored where the session continues',
  },
  secrets: {
    description:
      'Variable → value and hosts. The agent gets a placeholder, and the proxy of the sandbox puts the value into requests to these hosts. Needs a limited `network`',
  },
  title: { sdk: 'title', handed: 'own', live: true },
  metadata: { live: true },
  permission_mode: {
    sdk: 'permissionMode',
    handed: 'own',
    live: true,
    policy: true,
    flag: {
      name: 'mode',
      value: 'MODE',
      values: PERMISSION_MODES,
      help: `Permission mode: ${PERMISSION_MODES.slice(0, 3).join(', ')}, …`,
      form: 'text',
    },
  },
} as const satisfies Record<string, OptionFacts>;

export type KeptOption = keyof typeof KEPT;
export type OwnOption = keyof typeof OWN;
export type SessionOption = KeptOption | OwnOption;

export const SESSION_OPTIONS = { ...KEPT, ...OWN } as const;
type Facts = typeof SESSION_OPTIONS;

/** The options whose entry says so. */
type OptionsWith<F extends OptionFacts> = {
  [O in SessionOption]: Facts[O] extends F ? O : never;
}[SessionOption];

/** Options that the agent SDK has too, by its own names: `SdkOptions['maxTurns']` is `'max_turns'`. */
export type SdkOptions = {
  [O in OptionsWith<{ sdk: string }> as Extract<Facts[O], { sdk: string }>['sdk']]: O;
};
/** Those that the SDK gets as they are. */
export type SameOption = OptionsWith<{ sdk: string; handed: 'same' }>;
/** Those that policy decides about. */
export type PolicyOption = OptionsWith<{ policy: true }>;
/** Those that a flag sets. */
export type FlaggedOption = OptionsWith<{ flag: FlagFacts }>;
/** What the flags of the command line say, as the options that they set. */
export type FlaggedOptions = {
  [O in FlaggedOption]?: FlagValues[Extract<Facts[O], { flag: FlagFacts }>['flag']['form']];
};

/** `[option, facts]` of every option. */
export const sessionOptionEntries = Object.entries(SESSION_OPTIONS) as [SessionOption, OptionFacts][];
