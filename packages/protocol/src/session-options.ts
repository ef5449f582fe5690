import type { CreateSession } from './schemas/session.ts';

/** What is known of one option of a session, besides its form (`schema/options.ts`). */
export interface OptionFacts {
  /** The agent SDK's option of the same meaning. */
  sdk?: string;
  /** How it gets there: as it is, or through code of its own. */
  handed?: 'same' | 'own';
  /** A session with a live process takes it, too; all others need the process to start anew. */
  live?: true;
  /** It can make something run that nobody is asked for: sessions/policy.ts decides about it. */
  runs?: true;
}

/**
 * Every option of a session, once: which SDK option it is, how it is handed over, when it has its effect. The
 * server's SDK options, query()'s options and what a resume may change come from this. Free of zod, so that
 * query() loads none.
 */
export const SESSION_OPTIONS = {
  additional_directories: { sdk: 'additionalDirectories', handed: 'own' },
  agent: { sdk: 'agent', handed: 'same' },
  agent_progress_summaries: { sdk: 'agentProgressSummaries', handed: 'same' },
  agents: { sdk: 'agents', handed: 'same', runs: true },
  allowed_tools: { sdk: 'allowedTools', handed: 'same', runs: true },
  background_model: {},
  betas: { sdk: 'betas', handed: 'same' },
  custom_tools: {},
  disallowed_tools: { sdk: 'disallowedTools', handed: 'same' },
  effort: { sdk: 'effort', handed: 'same' },
  enable_proxy: {},
  fallback_model: { sdk: 'fallbackModel', handed: 'same' },
  hooks: { sdk: 'hooks', handed: 'own' },
  include_hook_events: { sdk: 'includeHookEvents', handed: 'same' },
  max_budget_usd: { sdk: 'maxBudgetUsd', handed: 'own' },
  max_turns: { sdk: 'maxTurns', handed: 'same' },
  mcp_servers: { sdk: 'mcpServers', handed: 'same', runs: true },
  output_format: { sdk: 'outputFormat', handed: 'same' },
  permission_prompts: { sdk: 'permissionPrompts', handed: 'same' },
  permission_timeout_seconds: { live: true },
  plan_mode_instructions: { sdk: 'planModeInstructions', handed: 'same' },
  plugins: { sdk: 'plugins', handed: 'same', runs: true },
  prompt_suggestions: { sdk: 'promptSuggestions', handed: 'same' },
  sandbox: { sdk: 'sandbox', handed: 'same', runs: true },
  setting_sources: { sdk: 'settingSources', handed: 'own' },
  settings: { sdk: 'settings', handed: 'own', runs: true },
  skills: { sdk: 'skills', handed: 'same' },
  strict_mcp_config: { sdk: 'strictMcpConfig', handed: 'same' },
  system_prompt: { sdk: 'systemPrompt', handed: 'own' },
  task_budget: { sdk: 'taskBudget', handed: 'same' },
  thinking: { sdk: 'thinking', handed: 'same' },
  tool_aliases: { sdk: 'toolAliases', handed: 'same' },
  tool_config: { sdk: 'toolConfig', handed: 'same' },
  tools: { sdk: 'tools', handed: 'same' },
  trust_project: {},
  verbatim_prompts: { sdk: 'verbatimPrompts', handed: 'same' },

  // not kept with the options, but with the session itself
  cwd: { sdk: 'cwd', handed: 'own' },
  force: { live: true },
  fork: { sdk: 'forkSession', handed: 'own' },
  metadata: { live: true },
  model: { sdk: 'model', handed: 'own', live: true },
  permission_mode: { sdk: 'permissionMode', handed: 'own', live: true, runs: true },
  resume_session_id: { sdk: 'resume', handed: 'own' },
  title: { sdk: 'title', handed: 'own', live: true },
} as const satisfies Record<keyof CreateSession, OptionFacts>;

/** `[field, facts]` of every option. */
export const sessionOptionEntries = Object.entries(SESSION_OPTIONS) as [keyof CreateSession, OptionFacts][];
