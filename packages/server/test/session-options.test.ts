import { CreateSession } from 'claude-agent-protocol';
import {
  type OptionFacts,
  SESSION_OPTIONS,
  type SessionOption,
  sessionOptionEntries,
} from 'claude-agent-protocol/session-options';
import { expect, test } from 'vitest';
import { helpText, readArgs } from '../../cli/src/args.ts';
import { readSettings } from '../../cli/src/settings.ts';
import { sessionOptionsOf } from '../../client/src/query-options.ts';
import { sdkOptions } from '../src/agent/claude/options.ts';
import { requireLive } from '../src/sessions/resume.ts';
import { sampleSession } from './support/samples.ts';

/** A value of every option. A new option has to be added here: the type wants it. */
const SAMPLES: { [O in SessionOption]: NonNullable<CreateSession[O]> } = {
  additional_directories: ['/more'],
  agent: 'reviewer',
  agent_progress_summaries: true,
  agents: { reviewer: { description: 'd', prompt: 'p' } },
  allowed_tools: ['Read', 'Bash(git log:*)'],
  background_model: 'small',
  betas: ['beta'],
  custom_tools: [{ name: 't', description: 'd', input_schema: { type: 'object' } }],
  cwd: '/work',
  disallowed_tools: ['Write'],
  effort: 'low',
  enable_proxy: true,
  fallback_model: 'other',
  force: true,
  fork: true,
  hooks: { Stop: [{}] },
  include_hook_events: true,
  max_budget_usd: 1.5,
  max_turns: 3,
  mcp_servers: { s: { command: 'x' } },
  metadata: { a: 1 },
  model: 'large',
  output_format: { type: 'json_schema', schema: { type: 'object' } },
  permission_mode: 'plan',
  permission_prompts: 'none',
  network: { mode: 'limited', hosts: ['a.example'] },
  on_crash: 'resume',
  park_after_seconds: 5,
  sleep_after_seconds: 5,
  start: 'lazy',
  permission_timeout_seconds: 5,
  plan_mode_instructions: 'plan well',
  plugins: [{ type: 'local', path: '/plugin' }],
  prompt_suggestions: true,
  resume_session_id: '00000000-0000-4000-8000-000000000001',
  sandbox: { enabled: true },
  secrets: { TOKEN: { value: 'a-long-value', hosts: ['a.example'] } },
  setting_sources: ['user'],
  settings: { language: 'en' },
  skills: 'all',
  strict_mcp_config: true,
  system_prompt: 'Be brief.',
  task_budget: { total: 1000 },
  thinking: { type: 'disabled' },
  title: 'a title',
  tool_aliases: { Read: 'Bash' },
  tool_config: { askUserQuestion: { previewFormat: 'html' } },
  tools: ['Read'],
  trust_project: true,
  verbatim_prompts: true,
  workspace: { git: 'https://example.com/a.git', ref: 'main' },
};

const those = (fits: (facts: OptionFacts) => boolean): SessionOption[] =>
  sessionOptionEntries.filter(([, facts]) => fits(facts)).map(([option]) => option);
const factsOf = (option: SessionOption): OptionFacts => SESSION_OPTIONS[option];

test('the schema of a new session has the options of the table, and takes a value of each', () => {
  expect(Object.keys(CreateSession.shape).sort()).toEqual(Object.keys(SESSION_OPTIONS).sort());
  expect(CreateSession.safeParse(SAMPLES).error).toBeUndefined();
});

test.each(those(({ description }) => description !== undefined))(
  'the schema describes %s as the table does',
  (option) => {
    expect(CreateSession.shape[option].description).toBe(factsOf(option).description);
  },
);

test.each(those(({ handed }) => handed === 'same'))('%s reaches the SDK as it is', (option) => {
  const given = sdkOptions(
    {
      sessionId: 's',
      tenant: 'default',
      conversationId: 's',
      cwd: '/work',
      model: undefined,
      permissionMode: 'default',
      title: null,
      options: { [option]: SAMPLES[option] },
      resume: false,
      spentUsd: 0,
    },
    false,
  );
  expect(given[factsOf(option).sdk as keyof typeof given]).toEqual(SAMPLES[option]);
});

test.each(those(({ sdk }) => sdk !== undefined && sdk !== 'hooks'))(
  "query() takes %s by the SDK's name",
  (option) => {
    const { sdk = '' } = factsOf(option);
    expect(sessionOptionsOf({ [sdk]: SAMPLES[option] })).toEqual({ [option]: SAMPLES[option] });
  },
);

test.each(those(({ flag }) => flag !== undefined))('the program has a flag for %s', (option) => {
  const { flag } = factsOf(option);
  const value = SAMPLES[option];
  const argv = [`--${flag?.name}`, ...(flag?.form === 'switch' ? [] : [String(value)])];
  const args = readArgs(argv, readSettings({}, false));
  expect(args.options).toEqual({ [option]: value });
  expect(helpText('p')).toContain(`--${flag?.name}`);
});

test('a running agent takes the options that the table calls live, and no other', () => {
  const refused = Object.keys(CreateSession.shape).filter((option) => {
    const options = { [option]: SAMPLES[option as SessionOption] };
    try {
      requireLive(sampleSession({ options: {} }), { options });
      return false;
    } catch {
      return true;
    }
  });
  expect(refused.sort()).toEqual(those(({ live }) => live === undefined).sort());
});
