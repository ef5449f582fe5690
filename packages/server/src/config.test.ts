import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Config, ConfigError, readConfig } from './config.ts';

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'config-test-')));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Reads a configuration in a folder of its own, with an environment of its own. */
function read(argv: string[] = [], env: Record<string, string> = {}): Config {
  const config = readConfig(argv, { HOME: folder, INIT_CWD: folder, ...env });
  if (config === 'help') throw new Error('help was not asked for');
  return config;
}

const file = (content: unknown): string => {
  const path = join(folder, 'config.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};

describe('the database', () => {
  test('comes from the flag, the environment or the file, in this order', () => {
    const config = file({
      database_url: 'postgres://file/x',
      database_pooler: 'transaction',
      database_connections: 3,
    });
    const env = { AGENT_SERVER_DATABASE_URL: 'postgresql://env/x' };
    expect(read().database).toBeUndefined();
    const fromFile = { url: 'postgres://file/x', pooler: 'transaction', connections: 3 };
    expect(read(['--config', config]).database).toEqual(fromFile);
    expect(read(['--config', config], env).database?.url).toBe('postgresql://env/x');
    expect(read(['--database-url', 'postgres://flag/x'], env).database).toEqual({
      url: 'postgres://flag/x',
      pooler: 'none',
      connections: 8,
    });
  });

  test('is PostgreSQL', () => {
    expect(() => read(['--database-url', 'mysql://a:secret@b/c'])).toThrow(
      /^(?!.*secret).*must begin with postgres:/,
    );
  });
});

describe('the defaults', () => {
  test('are loopback, port 8000, a home below HOME, and the folder that the command was typed in', () => {
    expect(read()).toMatchObject({
      host: '127.0.0.1',
      port: 8000,
      home: join(folder, '.claude-agent-server'),
      roots: [folder],
      permissionTimeoutSeconds: 300,
      sleepAfterSeconds: 300,
      maxQueuedTurns: 1_000,
      maxSessions: 100_000,
      bodyLimitBytes: 10 * 1024 * 1024,
      importLimitBytes: 10 * 1024 ** 3,
      allowBypassPermissions: false,
      allowTrustProject: false,
      allowUnaskedTools: [],
      allowCommands: false,
    });
  });

  test('the demo model answers everything only when it is asked for, and never in the place of a route', () => {
    expect(read()).toMatchObject({ demo: false, credential: undefined, gateway: { models: {} } });
    const env = { ANTHROPIC_API_KEY: 'x' };
    expect(read([], env)).toMatchObject({ demo: false, credential: 'ANTHROPIC_API_KEY' });
    const config = file({ gateway: { models: { fast: 'openai/gpt-5' } } });
    expect(read(['--demo', '--config', config], env)).toMatchObject({
      demo: true,
      credential: undefined,
      gateway: { models: { fast: 'openai/gpt-5', '*': 'demo' } },
    });
  });
});

describe('max_live_agents', () => {
  test('is one for each 200 MB of memory by default; a flag wins over the file', () => {
    expect(read().maxLiveAgents).toBeGreaterThanOrEqual(2);
    expect(read().maxLiveAgents).toBeLessThanOrEqual(totalmem() / (200 * 1024 ** 2) + 2);
    const config = file({ max_live_agents: 3 });
    expect(read(['--config', config])).toMatchObject({ maxLiveAgents: 3 });
    expect(read(['--config', config, '--max-live-agents', '4'])).toMatchObject({ maxLiveAgents: 4 });
  });

  test.each(['0', 'two', '-1'])('cannot be %s', (given) => {
    expect(() => read([`--max-live-agents=${given}`])).toThrow('--max-live-agents takes a number from 1 on');
  });
});

describe('flags, environment and file', () => {
  test('flags win over the environment, the environment over the file', () => {
    const config = file({ home: 'from-file', port: 1, model: 'file-model' });
    expect(read(['--config', config])).toMatchObject({
      home: join(folder, 'from-file'),
      port: 1,
      model: 'file-model',
    });
    const env = { AGENT_SERVER_HOME: 'from-env', ANTHROPIC_MODEL: 'env-model' };
    expect(read(['--config', config], env)).toMatchObject({
      home: join(folder, 'from-env'),
      model: 'env-model',
    });
    const flags = ['--config', config, '--home', 'from-flag', '--port', '2'];
    expect(read(flags, env)).toMatchObject({ home: join(folder, 'from-flag'), port: 2 });
  });

  test('roots are real paths, as many as given', () => {
    mkdirSync(join(folder, 'a'));
    symlinkSync(join(folder, 'a'), join(folder, 'link'));
    expect(read(['--root', 'a', '--root', 'link', '--root', folder]).roots).toEqual([
      join(folder, 'a'),
      join(folder, 'a'),
      folder,
    ]);
  });

  test('the configuration cannot be changed later', () => {
    expect(Object.isFrozen(read())).toBe(true);
  });

  test('--help asks for the usage', () => {
    expect(readConfig(['--help'], {})).toBe('help');
  });
});

test('AgentCore is served where it expects an agent, without a key', () => {
  expect(read(['--agentcore'])).toMatchObject({ agentcore: true, host: '0.0.0.0', port: 8080, apiKeys: [] });
  expect(read(['--agentcore', '--port', '9000', '--host', '127.0.0.1'])).toMatchObject({
    host: '127.0.0.1',
    port: 9000,
  });
});

describe('keys', () => {
  test('come from the configuration, the environment and a file with one a line; each has an id', () => {
    const keys = join(folder, 'keys');
    writeFileSync(keys, '# comment\n one \n\ntwo\n');
    const env = { AGENT_SERVER_API_KEY: 'zero', AGENT_SERVER_API_KEYS_FILE: keys };
    const team = { id: 'team', key: 'key-of-the-team', budget_usd: 5 };
    const config = file({
      api_keys: [team, { id: 'guest', key: 'key-of-a-guest', tenant: 'them', role: 'viewer' }],
    });
    const [tenant, role] = ['default', 'admin'];
    expect(read(['--config', config], env).apiKeys).toEqual([
      { id: 'team', key: 'key-of-the-team', budgetUsd: 5, tenant, role },
      { id: 'guest', key: 'key-of-a-guest', tenant: 'them', role: 'viewer' },
      { id: 'environment', key: 'zero', tenant, role: 'operator' },
      { id: 'line-2', key: 'one', tenant, role },
      { id: 'line-4', key: 'two', tenant, role },
    ]);
  });

  test('with one, any address may be listened on', () => {
    expect(read(['--host', '0.0.0.0'], { AGENT_SERVER_API_KEY: 'k' })).toMatchObject({
      host: '0.0.0.0',
      needsKey: false,
    });
    expect(read(['--host', '0.0.0.0']).needsKey).toBe(true);
    expect(read([]).needsKey).toBe(false);
  });
});

test('leave to bypass every question lets anything run without asking, unless the file says otherwise', () => {
  expect(read(['--config', file({ allow_bypass_permissions: true })])).toMatchObject({
    allowUnaskedTools: true,
    allowCommands: true,
  });
  const less = { allow_bypass_permissions: true, allow_unasked_tools: ['Bash'], allow_commands: false };
  expect(read(['--config', file(less)])).toMatchObject({ allowUnaskedTools: ['Bash'], allowCommands: false });
});

describe('what is wrong is refused with a sentence', () => {
  test.each<[string, () => Config, string]>([
    ['an unknown flag', () => read(['--prot', '1']), 'Usage:'],
    ['a port that is none', () => read(['--port', '99999']), '--port'],
    ['a root that is not there', () => read(['--root', 'nowhere']), 'does not exist'],
    ['a file that is not JSON', () => read(['--config', file('{')]), 'cannot be read'],
    ['a setting that nobody knows', () => read(['--config', file({ prot: 1 })]), 'prot'],
    ['a setting of the wrong type', () => read(['--config', file({ port: '1' })]), 'port'],
    [
      'an empty file of keys',
      () => read([], { AGENT_SERVER_API_KEYS_FILE: file('\n# none\n') }),
      'holds no key',
    ],
    [
      'two keys with one id',
      () =>
        read([
          '--config',
          file({
            api_keys: [
              { id: 'team', key: 'the-first-key' },
              { id: 'team', key: 'the-second-key' },
            ],
          }),
        ]),
      'have the id "team"',
    ],
    [
      'an id that the environment has too',
      () =>
        read(['--config', file({ api_keys: [{ id: 'environment', key: 'the-first-key' }] })], {
          AGENT_SERVER_API_KEY: 'another-key',
        }),
      'have the id "environment"',
    ],
    [
      'one key under two ids',
      () =>
        read(['--config', file({ api_keys: [{ id: 'team', key: 'the-same-key' }] })], {
          AGENT_SERVER_API_KEY: 'the-same-key',
        }),
      'are the same key',
    ],
    [
      'keys of the gateway, which would open nothing',
      () => read(['--config', file({ gateway: { keys: [{ id: 'a', key: 'a-long-key' }] } })]),
      'api_keys',
    ],
    ['no file of keys', () => read([], { AGENT_SERVER_API_KEYS_FILE: '/nowhere' }), 'cannot be read'],
  ])('%s', (_, act, sentence) => {
    expect(act).toThrow(ConfigError);
    expect(act).toThrow(sentence);
  });
});

describe('workspaces', () => {
  test('are in the home, and so is what is saved of them', () => {
    const home = join(folder, '.claude-agent-server');
    expect(read().workspaces).toEqual({
      folder: join(home, 'workspaces'),
      maxBytes: 1024 ** 3,
      timeoutSeconds: 600,
      gitUrls: ['https://', 'ssh://', 'file://'],
      objects: { folder: join(home, 'objects') },
    });
    expect(read(['--workspaces', 'here']).workspaces.folder).toBe(join(folder, 'here'));
  });

  test('are saved to a bucket, with the credentials of the environment', () => {
    const s3 = { endpoint: 'https://s3.example.com', bucket: 'b', prefix: 'p/' };
    const path = file({ workspaces: { objects: { s3 } } });
    expect(
      read(['--config', path], { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 's' }).workspaces.objects,
    ).toEqual({
      ...s3,
      region: 'us-east-1',
      credentials: { accessKeyId: 'a', secretAccessKey: 's', sessionToken: undefined },
    });
    const own = { AGENT_SERVER_S3_ACCESS_KEY_ID: 'own', AGENT_SERVER_S3_SECRET_ACCESS_KEY: 'o' };
    expect(
      read(['--config', path], { ...own, AWS_ACCESS_KEY_ID: 'a', AWS_SESSION_TOKEN: 't' }).workspaces.objects,
    ).toMatchObject({
      credentials: { accessKeyId: 'own', secretAccessKey: 'o', sessionToken: undefined },
    });
    expect(() => read(['--config', path])).toThrow(/AGENT_SERVER_S3_ACCESS_KEY_ID/);
  });

  test.each([
    { objects: { s3: { endpoint: 'ftp://x', bucket: 'b' } } },
    { objects: { s3: { endpoint: 'https://x', bucket: 'b/c' } } },
    { objects: { s3: { endpoint: 'https://x', bucket: 'b', prefix: 'no-slash' } } },
    { max_bytes: 6 * 1024 ** 3 },
    { git_urls: ['ext::sh'] },
  ])('are refused in another form: %j', (workspaces) => {
    expect(() => read(['--config', file({ workspaces })])).toThrow(ConfigError);
  });
});

test('an identity provider is complete or refused', () => {
  expect(() => readConfig(['--jwt-issuer', 'https://id.example'], { HOME: '/tmp' })).toThrow('jwt.audience');
});
