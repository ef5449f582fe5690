import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { agentEnvironment, findCredential, sessionEnvironment } from './environment.ts';

describe('the environment of an agent process', () => {
  test('holds what programs need and the agent credentials, and nothing else', () => {
    const env = {
      PATH: '/bin',
      HOME: '/home/me',
      LC_ALL: 'C',
      HTTPS_PROXY: 'http://proxy',
      ANTHROPIC_API_KEY: 'a',
      CLAUDE_CODE_OAUTH_TOKEN: 'b',
      CLAUDE_CONFIG_DIR: '/c',
      AGENT_SERVER_API_KEY: 'the server’s own',
      DATABASE_URL: 'postgres://',
      AWS_SECRET_ACCESS_KEY: 's',
      GOOGLE_APPLICATION_CREDENTIALS: 'g',
      CLAUDECODE: '1',
    };
    expect(agentEnvironment(env, [])).toEqual({
      PATH: '/bin',
      HOME: '/home/me',
      LC_ALL: 'C',
      HTTPS_PROXY: 'http://proxy',
      ANTHROPIC_API_KEY: 'a',
      CLAUDE_CODE_OAUTH_TOKEN: 'b',
      CLAUDE_CONFIG_DIR: '/c',
    });
  });

  test.each([
    ['CLAUDE_CODE_USE_BEDROCK', 'AWS_SECRET_ACCESS_KEY'],
    ['CLAUDE_CODE_USE_VERTEX', 'GOOGLE_APPLICATION_CREDENTIALS'],
    ['CLAUDE_CODE_USE_FOUNDRY', 'AZURE_CLIENT_SECRET'],
  ])('%s takes %s along, 0 does not', (flag, name) => {
    expect(agentEnvironment({ [flag]: '1', [name]: 'x' }, [])).toHaveProperty(name);
    expect(agentEnvironment({ [flag]: '0', [name]: 'x' }, [])).not.toHaveProperty(name);
  });

  test('holds the timeouts, limits, telemetry and proxies of the agent', () => {
    const env = {
      API_TIMEOUT_MS: '1',
      MCP_TIMEOUT: '2',
      MCP_TOOL_TIMEOUT: '3',
      MAX_MCP_OUTPUT_TOKENS: '4',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector',
      ALL_PROXY: 'socks5://proxy',
      all_proxy: 'socks5://proxy',
    };
    expect(agentEnvironment({ ...env, MCP_OTHER: 'x' }, [])).toEqual(env);
  });

  test('takes along what the configuration names', () => {
    expect(agentEnvironment({ MY_TOOL_TOKEN: 'x', OTHER: 'y' }, ['MY_TOOL_TOKEN'])).toEqual({
      MY_TOOL_TOKEN: 'x',
    });
  });
});

describe('the environment of a session', () => {
  const contextOf = (model: string) => (model === 'gpt-4' ? 8_192 : undefined);
  const gateway = { url: 'http://127.0.0.1:4711', token: 'session-token', contextOf };
  const of = (
    model: string | undefined,
    { demo = false, ...options }: { demo?: boolean; enable_proxy?: boolean; background_model?: string } = {},
  ) =>
    sessionEnvironment(
      {
        env: { ANTHROPIC_API_KEY: 'mine', CLAUDE_CODE_USE_BEDROCK: '1', AWS_SECRET_ACCESS_KEY: 's' },
        passEnv: [],
        credential: demo ? undefined : 'ANTHROPIC_API_KEY',
      },
      { model, options: { enable_proxy: false, ...options } },
      gateway,
    );

  test.each([{ demo: true }, { enable_proxy: true }])(
    'with %j calls go to this server, with its own credential',
    (how) => {
      expect(of('claude-opus', how)).toMatchObject({
        ANTHROPIC_BASE_URL: gateway.url,
        ANTHROPIC_API_KEY: gateway.token,
        CLAUDE_CODE_USE_BEDROCK: '0',
        CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST: '1',
      });
    },
  );

  test('behind a proxy, this server is still reached directly', () => {
    const env = { ALL_PROXY: 'http://proxy' };
    const server = { env, passEnv: [], credential: undefined };
    const session = { model: undefined, options: { enable_proxy: false } };
    expect(sessionEnvironment(server, session, gateway)).toHaveProperty('NO_PROXY', '127.0.0.1');
  });

  test('then no credential for any model or cloud is passed on', () => {
    const secret = {
      CLAUDE_CODE_USE_BEDROCK: '1',
      CLAUDE_CODE_USE_VERTEX: '1',
      AWS_SECRET_ACCESS_KEY: 's',
      AWS_BEARER_TOKEN_BEDROCK: 's',
      GOOGLE_APPLICATION_CREDENTIALS: 's',
      ANTHROPIC_FOUNDRY_API_KEY: 's',
      ANTHROPIC_AWS_API_KEY: 's',
      ANTHROPIC_CUSTOM_HEADERS: 's',
      CLAUDE_CODE_OAUTH_REFRESH_TOKEN: 's',
    };
    const settings = { CLAUDE_CODE_MAX_OUTPUT_TOKENS: '9', BASH_DEFAULT_TIMEOUT_MS: '1' };
    const env = sessionEnvironment(
      {
        env: { ...secret, ...settings, AWS_PROFILE: 'named' },
        passEnv: ['AWS_PROFILE'],
        credential: 'ANTHROPIC_API_KEY',
      },
      { model: 'gpt-5', options: { enable_proxy: true } },
      gateway,
    );
    expect(Object.values(env)).not.toContain('s');
    // What the configuration names is the agent's own business.
    expect(env).toMatchObject({ ...settings, AWS_PROFILE: 'named', CLAUDE_CODE_USE_BEDROCK: '0' });
    expect(env).not.toHaveProperty('CLAUDE_CODE_USE_VERTEX');
  });

  test('the agent is told how much fits into a model that it does not know', () => {
    const how = { enable_proxy: true };
    expect(of('gpt-4', how)).toHaveProperty('CLAUDE_CODE_MAX_CONTEXT_TOKENS', '8192');
    expect(of('unheard-of', how)).not.toHaveProperty('CLAUDE_CODE_MAX_CONTEXT_TOKENS');
    expect(of('claude-opus', how)).not.toHaveProperty('CLAUDE_CODE_MAX_CONTEXT_TOKENS');
    // Where the calls do not go through the gateway, its models are none of the agent's.
    expect(of('gpt-4')).not.toHaveProperty('CLAUDE_CODE_MAX_CONTEXT_TOKENS');
  });

  test('otherwise the credentials stay as they are', () => {
    expect(of('claude-opus')).toMatchObject({ ANTHROPIC_API_KEY: 'mine', CLAUDE_CODE_USE_BEDROCK: '1' });
    expect(of('claude-opus')).not.toHaveProperty('ANTHROPIC_BASE_URL');
  });

  test('prompt caching is off for models that are not Claude’s, and only for those', () => {
    expect(of('gpt-4')).toHaveProperty('DISABLE_PROMPT_CACHING', '1');
    expect(of('anthropic/claude-sonnet')).not.toHaveProperty('DISABLE_PROMPT_CACHING');
    expect(of('sonnet')).not.toHaveProperty('DISABLE_PROMPT_CACHING');
    expect(of(undefined)).not.toHaveProperty('DISABLE_PROMPT_CACHING');
  });

  test('background and subagent models follow the session’s model, or the one that was chosen for them', () => {
    expect(of('gpt-4')).toMatchObject({
      ANTHROPIC_SMALL_FAST_MODEL: 'gpt-4',
      CLAUDE_CODE_SUBAGENT_MODEL: 'gpt-4',
    });
    expect(of('gpt-4', { background_model: 'gpt-4-mini' })).toMatchObject({
      ANTHROPIC_SMALL_FAST_MODEL: 'gpt-4-mini',
      CLAUDE_CODE_SUBAGENT_MODEL: 'gpt-4',
    });
    // An alias is resolved by Claude Code, with these very variables: it cannot stand for itself.
    expect(of('haiku')).not.toHaveProperty('ANTHROPIC_DEFAULT_HAIKU_MODEL');
  });
});

describe('a credential', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'credential-test-'));
    mkdirSync(join(home, '.claude'));
  });
  afterEach(() => rmSync(home, { recursive: true }));

  test.each(['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN', 'CLAUDE_CODE_OAUTH_TOKEN'])(
    'is found in %s',
    (name) => {
      expect(findCredential({ HOME: home, [name]: 'x' })).toBe(name);
      expect(findCredential({ HOME: home, [name]: '' })).toBeUndefined();
    },
  );

  test.each(['CLAUDE_CODE_USE_BEDROCK', 'CLAUDE_CODE_USE_VERTEX', 'CLAUDE_CODE_USE_FOUNDRY'])(
    'is found in %s',
    (name) => {
      expect(findCredential({ HOME: home, [name]: '1' })).toBe(name);
    },
  );

  test('is found in a logged-in Claude Code, or in its apiKeyHelper', () => {
    expect(findCredential({ HOME: home })).toBeUndefined();
    writeFileSync(join(home, '.claude', 'settings.json'), '{"apiKeyHelper":"get-key"}');
    expect(findCredential({ HOME: home })).toBe('apiKeyHelper');
    writeFileSync(join(home, '.claude', '.credentials.json'), '{}');
    expect(findCredential({ HOME: home })).toBe('a logged-in Claude Code');
  });

  test.each(['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN', 'CLAUDE_CODE_USE_BEDROCK'])(
    "is found in the user's settings: %s",
    (name) => {
      const settings = join(home, '.claude', 'settings.json');
      writeFileSync(settings, JSON.stringify({ env: { [name]: '1' } }));
      expect(findCredential({ HOME: home })).toBe(`${name} in settings.json`);
      writeFileSync(settings, JSON.stringify({ env: { [name]: '' } }));
      expect(findCredential({ HOME: home })).toBeUndefined();
    },
  );

  test('on macOS the login is known from the account in .claude.json', () => {
    writeFileSync(join(home, '.claude.json'), '{"oauthAccount":{"emailAddress":"me@example.org"}}');
    expect(findCredential({ HOME: home })).toBe('a logged-in Claude Code');
  });
});
