/** Mistakes of the configuration with their places, and the names of settings. */
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { configSchema, examine } from './config.ts';
import { checkConfig, publishedSchema } from './config-check.ts';
import { createSettingNames } from './setting-sources.ts';

let folder: string;
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'config-check-')));
});
afterAll(() => rmSync(folder, { recursive: true }));

const file = (text: string): string => {
  const path = join(folder, 'config.json');
  writeFileSync(path, text);
  return path;
};

const check = (text: string, argv: string[] = [], env: Record<string, string> = {}): string[] => {
  const { text: said } = checkConfig(['check', '--config', file(text), ...argv], {
    HOME: folder,
    INIT_CWD: folder,
    ...env,
  });
  return said.replaceAll(`${folder}/`, '').split('\n');
};

describe('config check', () => {
  test('tells every mistake of the file with its line and column, and those of variables and flags with their names', () => {
    const text = `{
  "port": 99999, "hosts": 1,
  "retention": { "max_evnts": 3,
                 "max_bytes": 0 },
  "roots": [".", "nowhere"],
  "workspaces": {"git_urls": ["https://", "ext::sh"]},
  "gateway": {"models": {"fast": 7}, "retrie": 1},
  "heartbeat_seconds": 5, "lease_seconds": 6,
  "spares": 1,
  "spares": 2
}`;
    const env = {
      AGENT_SERVER_MAX_SESSIONS: 'many',
      AGENT_SERVER_PROT: '1',
      AGENT_SERVER_LOG_LEVEL: 'loud',
      AGENT_SERVER_API_KEY: 'not a setting, but known',
    };
    expect(check(text, ['--body-limit-bytes', '5'], env)).toEqual([
      '14 mistakes in the configuration:',
      'config.json:10:3: "spares" is there twice. Remove one of them.',
      'AGENT_SERVER_MAX_SESSIONS takes a number from 1 on, not "many".',
      'AGENT_SERVER_LOG_LEVEL must be one of silent, error, warn, info, debug, not "loud".',
      '--body-limit-bytes takes a number from 1024 on, not "5".',
      expect.stringMatching(/^config\.json:2:3: "port": Too big/),
      expect.stringMatching(/^config\.json:4:18: "retention\.max_bytes": Too small/),
      'config.json:3:18: there is no setting "retention.max_evnts". Did you mean "max_events"?',
      'config.json:6:43: "workspaces.git_urls.1": must begin with https://, http://, ssh:// or file://',
      'config.json:2:18: there is no setting "hosts". Did you mean "host"?',
      'AGENT_SERVER_PROT: there is no such setting. Did you mean AGENT_SERVER_PORT?',
      expect.stringMatching(/^config\.json:7:26: "gateway\.models\.fast": Invalid input/),
      'config.json:7:38: there is no setting "gateway.retrie". Did you mean "retries"?',
      expect.stringMatching(/^config\.json:5:3: The root folder nowhere does not exist/),
      expect.stringMatching(/^config\.json:8:27: A lease of 6 s is too short/),
    ]);
  });

  test('tells where a file is no JSON, and what cannot be read', () => {
    expect(check('{\n  "port": 1,\n  // a comment\n  "home": "x",\n}')).toEqual([
      expect.stringMatching(/mistakes? in the configuration:/),
      expect.stringMatching(/^config\.json:3:3: the configuration cannot be read as JSON: invalid comment/),
      ...[
        expect.stringMatching(/^config\.json:5:1: the configuration cannot be read as JSON: property name/),
      ],
      expect.stringMatching(/^config\.json:5:1: the configuration cannot be read as JSON: value expected/),
    ]);
    expect(check('[]')).toContain('config.json:1:1: the configuration is not an object: { … }.');
    const { text, isRight } = checkConfig(['check', '--config', join(folder, 'none.json')], { HOME: folder });
    expect([text, isRight]).toEqual([
      expect.stringMatching(/none\.json: the configuration cannot be read: ENOENT/),
      false,
    ]);
  });

  test('shows what is set and where, and no secret', () => {
    const said = check(
      '{"port": 9000, "api_keys": [{"id": "a", "key": "a-long-secret-key"}]}',
      ['--no-demo', '--workspaces', 'here'],
      { AGENT_SERVER_DATABASE_URL: 'postgres://u:secret@h/d', AGENT_SERVER_RETENTION_MAX_EVENTS: '5' },
    ).join('\n');
    expect(said).toContain('port = 9000\n    config.json:1:2: port to listen on');
    expect(said).toContain(
      'retention.max_events = 5\n    AGENT_SERVER_RETENTION_MAX_EVENTS: the most events',
    );
    expect(said).toContain('demo = false\n    --no-demo: ');
    expect(said).toContain('workspaces.folder = "here"\n    --workspaces: ');
    expect(said).toContain('api_keys = (not shown)');
    expect(said).not.toContain('secret');
    expect(check('{}')[0]).toBe('The configuration is right: everything has its default.');
  });
});

test('config check says what is missing to sign in at a provider, and which addresses are not safe', () => {
  expect(check('{"oidc": {"issuer": "https://id.example"}}')[1]).toMatch(
    /^config\.json:1:2: Signing in .* oidc\.client_id/,
  );
  const text =
    '{"oidc": {"issuer": "http://id.example", "client_id": "a", "public_url": "http://localhost:1"}}';
  expect(check(text)).toEqual([
    'One mistake in the configuration:',
    'config.json:1:11: "oidc.issuer": must be https, or http on this machine (127.0.0.1, localhost)',
  ]);
});

describe('every setting', () => {
  const { leaves, flags } = createSettingNames(configSchema());
  type Schema = { type?: string; enum?: unknown[]; minimum?: number; anyOf?: Schema[] };

  /** A value, as JSON and as the text of a variable. */
  const sampleOf = (name: string, schema: Schema): [unknown, string] => {
    if (name === 'node_address') return ['http://a:1', 'http://a:1'];
    if (name === 'workspaces_git_urls') return [['https://a', 'file:///'], 'https://a, file:///'];
    if (name === 'workspaces_objects') return [{ folder: 'x' }, '{"folder":"x"}'];
    if (name === 'policy_mcp_servers') return [[{ url: 'https://a/' }], '[{"url":"https://a/"}]'];
    if (name === 'sandbox_mode') return ['docker:agents:1', 'docker:agents:1'];
    if (name === 'sandbox_allowed_hosts') return [['a.example', '*.b.example'], 'a.example,*.b.example'];
    if (name === 'allowed_origins') return [['https://a.example', 'http://b'], 'https://a.example,http://b'];
    if (name === 'allowed_hosts') return [['a.example', 'b'], 'a.example,b'];
    if (name === 'sandbox_limits') return [{ processes: 100 }, '{"processes":100}'];
    if (name === 'sandbox_tenant_uids')
      return [{ first: 200_000, count: 100 }, '{"first":200000,"count":100}'];
    if (name === 'limits_per_key' || name === 'limits_per_tenant')
      return [{ requests_per_minute: 60 }, '{"requests_per_minute":60}'];
    if (name === 'trust_project_roles') return [['admin', 'operator'], 'admin,operator'];
    if (name === 'trusted_proxies') return [['10.0.0.0/8', '::1'], '10.0.0.0/8,::1'];
    if (name === 'jwt_jwks_url') return ['https://a/', 'https://a/'];
    if (name === 'oidc_issuer' || name === 'oidc_public_url') return ['https://a/', 'https://a/'];
    if (name === 'oidc_algorithms') return [['RS256', 'EdDSA'], 'RS256,EdDSA'];
    if (name === 'push_contact') return ['mailto:a@b.example', 'mailto:a@b.example'];
    if (name === 'jwt_algorithms') return [['RS256', 'EdDSA'], 'RS256,EdDSA'];
    if (name === 'secrets') {
      const secrets = { a: { value: 'a-secret', hosts: ['a.example'] } };
      return [secrets, JSON.stringify(secrets)];
    }
    if (name === 'secrets_key') return ['k'.repeat(32), 'k'.repeat(32)];
    if (name === 'policy_network') return [{ mode: 'none' }, '{"mode":"none"}'];
    if (name === 'policies') return [{ a: { deny: ['Bash'] } }, '{"a":{"deny":["Bash"]}}'];
    if (name === 'webhooks') {
      const hook = {
        name: 'a',
        url: 'https://a/',
        secret: `whsec_${'A'.repeat(32)}`,
        tenant: 't',
        events: ['turn.failed'],
      };
      return [[hook], JSON.stringify([hook])];
    }
    if (name === 'tenants') return [{ a: { policy: {} } }, '{"a":{"policy":{}}}'];
    if (name === 'gateway') return [{ retries: 1 }, '{"retries":1}'];
    if (name === 'api_keys') {
      const keys = [{ id: 'a', key: 'long-enough-key', tenant: 't', role: 'viewer' }];
      return [keys, JSON.stringify(keys)];
    }
    if (schema.enum) return [schema.enum.at(-1), String(schema.enum.at(-1))];
    if (schema.type === 'boolean') return [true, 'true'];
    if (schema.type === 'integer' || schema.type === 'number') {
      const number = Math.max(1, schema.minimum ?? 1) + (schema.type === 'number' ? 0.5 : 1);
      return [number, String(number)];
    }
    if (schema.type === 'array' || schema.anyOf) return [['/a', '/b'], '/a,/b'];
    return ['text', 'text'];
  };

  const settings = leaves.filter(({ name }) => name !== '$schema');
  test.each(settings.map((leaf) => [leaf.path.join('.'), leaf] as const))(
    '%s has one name as a setting, a variable and a flag',
    (_, { name, path, schema }) => {
      const [value, text] = sampleOf(name, schema as Schema);
      const nested = path.toReversed().reduce<unknown>((inner, part) => ({ [part]: inner }), value);
      const read = (argv: string[], env: Record<string, string> = {}) => {
        const { mistakes, settings: found } = examine(argv, { HOME: folder, ...env }).sources;
        expect(mistakes).toEqual([]);
        return found;
      };
      const fromFile = read(['--config', file(JSON.stringify(nested))]);
      expect(fromFile).toMatchObject(nested as object);
      expect(read([], { [`AGENT_SERVER_${name.toUpperCase()}`]: text })).toEqual(fromFile);
      const flag = name.replaceAll('_', '-');
      const isSecret = [
        'api_keys',
        'gateway',
        'webhooks',
        'secrets',
        'secrets_key',
        'oidc_client_secret',
      ].includes(name);
      expect(Object.hasOwn(flags, flag)).toBe(!isSecret);
      if (isSecret) return;
      const given =
        value === true
          ? [`--${flag}`]
          : [value].flat().map((item) => `--${flag}=${typeof item === 'object' ? text : item}`);
      expect(read(given)).toEqual(fromFile);
    },
  );

  test('may be given as a list by repeating its flag', () => {
    const { settings: found } = examine(['--pass-env', 'A', '--pass-env', 'B'], { HOME: folder }).sources;
    expect(found.pass_env).toEqual(['A', 'B']);
  });

  test('is in the published schema, with what it means', () => {
    const published = publishedSchema() as { properties: Record<string, { description?: string }> };
    expect(Object.entries(published.properties).filter(([, { description }]) => !description)).toEqual([]);
    expect(JSON.stringify(published.properties.gateway)).toContain('"providers"');
  });
});
