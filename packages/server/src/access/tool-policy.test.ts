import { PermissionMode } from 'claude-agent-protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRestrictions } from './policies.ts';
import { combine, ToolPolicy } from './tool-policy.ts';

test('without a policy everything is left to the configuration', () => {
  const free = combine([]);
  expect(PermissionMode.options.every(free.allowsMode)).toBe(true);
  expect(free.allowsModel(undefined)).toBe(true);
  expect(free.allowsServer({ type: 'http', url: 'http://a.example' })).toBeUndefined();
  expect(free).toMatchObject({ roots: [], trustProject: true, rules: { allow: [], ask: [], deny: [] } });
});

test('a ceiling of the permission mode allows the modes below it', () => {
  const { allowsMode, modeFor } = combine([{ max_permission_mode: 'acceptEdits' }]);
  expect(PermissionMode.options.filter(allowsMode)).toEqual(['default', 'acceptEdits', 'plan', 'dontAsk']);
  expect(modeFor('bypassPermissions')).toBe('acceptEdits');
  expect(modeFor('plan')).toBe('plan');
});

test.each([
  ['claude-*', 'claude-sonnet-4-5', true],
  ['claude-*', 'gpt-5', false],
  ['claude-*', 'x/claude-sonnet', false],
  ['openrouter/*/free', 'openrouter/a/free', true],
  ['gpt-5.1', 'gpt-5x1', false],
  ['*', 'anything', true],
  ['sonnet', undefined, false],
])('the pattern %s allows the model %s: %s', (pattern, model, allowed) => {
  expect(combine([{ models: [pattern] }]).allowsModel(model)).toBe(allowed);
});

test.each([
  ['https://mcp.example/box', true],
  ['https://mcp.example/box/', true],
  ['https://mcp.example/box/deep?x=1', true],
  ['https://mcp.example/boxes', false],
  ['https://mcp.example/', false],
  ['https://mcp.example/box/../other', false],
  ['https://mcp.example.evil.example/box', false],
  ['https://mcp.example@evil.example/box', false],
  ['http://mcp.example/box', false],
  ['https://mcp.example:8443/box', false],
])('a list with https://mcp.example/box has %s: %s', (url, listed) => {
  const { allowsServer } = combine([{ mcp_servers: [{ url: 'https://mcp.example/box' }] }]);
  expect(allowsServer({ type: 'http', url })).toBe(listed);
  expect(allowsServer({ command: 'https://mcp.example/box' })).toBe(false);
});

test('a command is listed as a whole', () => {
  const { allowsServer } = combine([{ mcp_servers: [{ command: 'npx', args: ['-y', 'box'] }] }]);
  expect(allowsServer({ command: 'npx', args: ['-y', 'box'] })).toBe(true);
  expect(allowsServer({ command: 'npx', args: ['-y', 'box', '--unsafe'] })).toBe(false);
  expect(allowsServer({ command: 'npx', args: ['-y box'] })).toBe(false);
  expect(allowsServer({ command: 'npx' })).toBe(false);
});

test('a caller sets only those variables of a command that the list names', () => {
  const { allowsServer } = combine([{ mcp_servers: [{ command: 'box', env: ['TOKEN'] }] }]);
  expect(allowsServer({ command: 'box', env: { TOKEN: 'x' } })).toBe(true);
  expect(allowsServer({ command: 'box', env: { TOKEN: 'x', NODE_OPTIONS: '--require /tmp/x' } })).toBe(false);
  expect(
    combine([{ mcp_servers: [{ command: 'box' }] }]).allowsServer({ command: 'box', env: { A: '' } }),
  ).toBe(false);
});

const anyPolicy: fc.Arbitrary<ToolPolicy> = fc
  .record(
    {
      deny: fc.array(fc.constantFrom('Bash', 'Write', 'WebFetch')),
      ask: fc.array(fc.constantFrom('Bash', 'Edit')),
      max_permission_mode: fc.constantFrom(...PermissionMode.options),
      models: fc.array(fc.constantFrom('claude-*', '*', 'gpt-5', 'claude-haiku')),
      mcp_servers: fc.array(fc.constantFrom({ url: 'https://a.example' }, { command: 'box' })),
      trust_project: fc.boolean(),
    },
    { requiredKeys: [] },
  )
  .map((given) => ToolPolicy.parse(given));

test('a further policy never allows more, and their order does not count', () => {
  const models = ['claude-haiku', 'claude-sonnet', 'gpt-5', undefined];
  const servers = [{ type: 'http' as const, url: 'https://a.example/x' }, { command: 'box' }];
  fc.assert(
    fc.property(fc.array(anyPolicy, { maxLength: 3 }), anyPolicy, (policies, more) => {
      const [before, after] = [combine(policies), combine([...policies, more])];
      const turned = combine([more, ...policies.toReversed()]);
      for (const mode of PermissionMode.options) {
        if (after.allowsMode(mode)) expect(before.allowsMode(mode)).toBe(true);
        expect(turned.allowsMode(mode)).toBe(after.allowsMode(mode));
        expect(after.allowsMode(after.modeFor(mode))).toBe(true);
      }
      for (const model of models) {
        if (after.allowsModel(model)) expect(before.allowsModel(model)).toBe(true);
        expect(turned.allowsModel(model)).toBe(after.allowsModel(model));
      }
      for (const server of servers) {
        if (before.allowsServer(server) === false) expect(after.allowsServer(server)).toBe(false);
        expect(turned.allowsServer(server)).toBe(after.allowsServer(server));
      }
      if (after.trustProject) expect(before.trustProject).toBe(true);
      expect(after.rules.deny).toEqual(expect.arrayContaining([...before.rules.deny]));
    }),
  );
});

test("a session has the policies of the server, its tenant and its maker's key, and of no other", () => {
  const restrictionsOf = createRestrictions({
    policy: { deny: ['WebFetch'] },
    namedPolicies: new Map([['careful', { deny: ['Edit'] }]]),
    tenantPolicies: new Map([['acme', { deny: ['Bash'] }]]),
    apiKeys: [{ id: 'ci', policy: { deny: ['Write'] } }, { id: 'free' }],
  });
  const denied = (tenant: string, createdBy: string | null) =>
    restrictionsOf({ tenant, createdBy }).rules.deny;
  expect(denied('acme', 'ci')).toEqual(['WebFetch', 'Bash', 'Write']);
  expect(denied('acme', 'free')).toEqual(['WebFetch', 'Bash']);
  expect(denied('acme', null)).toEqual(['WebFetch', 'Bash']);
  expect(denied('other', 'ci')).toEqual(['WebFetch', 'Write']);
  expect(denied('__proto__', 'constructor')).toEqual(['WebFetch']);
  expect(denied('acme', 'key_0a@careful')).toEqual(['WebFetch', 'Bash', 'Edit']);
  expect(denied('other', 'key_0b@careful')).toEqual(['WebFetch', 'Edit']);
  expect(denied('other', 'key_0b')).toEqual(['WebFetch']);
  // One that is not there any more forbids everything, instead of nothing.
  expect(() => denied('other', 'key_0b@gone')).toThrow('"gone" is not in "policies"');
});
