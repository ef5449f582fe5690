import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createFolders } from './folders.ts';
import { type Allowed, createPolicy } from './policy.ts';

const STRICT: Allowed = {
  bypass: 'forbidden',
  auto: false,
  trustProject: false,
  unaskedTools: [],
  commands: false,
  callbackUrls: 'none',
  network: { mode: 'fixed', why: 'this is a test.' },
};

const OWNED = { tenant: 'default', createdBy: null };

const ready = async (): Promise<void> => {};

const refusal = (allowed: Partial<Allowed>, options: Record<string, unknown>): string | undefined => {
  const policy = createPolicy({ ...STRICT, ...allowed }, createFolders([tmpdir()]), { ready });
  try {
    policy.checkOptions({ enable_proxy: false, ...options }, OWNED);
    return undefined;
  } catch (error) {
    return `${(error as { code: string }).code}: ${(error as Error).message}`;
  }
};

test.each(['Read', 'Read(./src/**)', 'Glob', 'Grep', 'Read, Grep'])('%s may run unasked anywhere', (rule) => {
  expect(refusal({}, { allowed_tools: [rule] })).toBeUndefined();
});

test.each([
  'Bash',
  'Bash(ls)',
  'Bash(git log:*)',
  'Write',
  'WebFetch',
  'mcp__box',
  'mcp__box__shout',
  'Agent',
  'Read,Bash',
  'Read Bash(rm *)',
  '*',
  'Read*',
])('%s may not, and the refusal names the key', (rule) => {
  expect(refusal({}, { allowed_tools: ['Read', rule] })).toMatch(
    /^unasked_not_allowed: .*allow_unasked_tools/,
  );
});

test('the configuration lets single rules, tools, servers, or all', () => {
  const asked = (unaskedTools: true | string[], rule: string): boolean =>
    refusal({ unaskedTools }, { allowed_tools: [rule] }) === undefined;
  expect(asked(['Bash(git log *)'], 'Bash(git log *)')).toBe(true);
  expect(asked(['Bash(git log *)'], 'Bash')).toBe(false);
  expect(asked(['Bash'], 'Bash(rm *)')).toBe(true);
  expect(asked(['Bash'], 'BashOutput')).toBe(false);
  expect(asked(['mcp__box'], 'mcp__box__shout')).toBe(true);
  expect(asked(['mcp__box'], 'mcp__boxes__shout')).toBe(false);
  expect(asked(true, 'Bash')).toBe(true);
});

test('an MCP server with a command wants leave, one at an address does not', () => {
  const box = { command: 'sh' };
  expect(refusal({}, { mcp_servers: { box } })).toMatch(/^unasked_not_allowed: .*"box".*allow_commands/);
  expect(refusal({ commands: true }, { mcp_servers: { box } })).toBeUndefined();
  const remote = { type: 'http', url: 'http://127.0.0.1:1' };
  expect(refusal({}, { mcp_servers: { remote } })).toBeUndefined();
});

test('in the mode auto nobody is asked: it wants leave', () => {
  const checkMode = (auto: boolean) => () =>
    createPolicy({ ...STRICT, auto }, createFolders([tmpdir()]), { ready }).checkMode('auto', OWNED);
  expect(checkMode(false)).toThrow('allow_unasked_tools');
  expect(checkMode(true)).not.toThrow();
});

test.each([
  [
    { agents: { a: { description: 'd', prompt: 'p', permissionMode: 'bypassPermissions' } } },
    'permission_mode',
  ],
  [
    { agents: { a: { description: 'd', prompt: 'p', mcpServers: [{ box: { command: 'sh' } }] } } },
    'commands',
  ],
  [
    {
      mcp_servers: {
        box: { type: 'http', url: 'http://x', tools: [{ name: 'shout', permission_policy: 'always_allow' }] },
      },
    },
    'mcp__box',
  ],
  [{ plugins: [{ type: 'local', path: '/x' }] }, 'allow_commands'],
  [{ sandbox: { enabled: true } }, 'allow_unasked_tools'],
  [{ sandbox: { autoAllowBashIfSandboxed: false, ripgrep: { command: 'sh' } } }, 'allow_commands'],
  [{ settings: { hooks: {} } }, 'settings.hooks'],
  [{ settings: { env: { BASH_ENV: 'x' } } }, 'settings.env'],
  [{ settings: { apiKeyHelper: 'sh' } }, 'settings.apiKeyHelper'],
  [{ settings: { sandbox: {} } }, 'settings.sandbox'],
  [{ settings: { permissions: { allow: ['Bash'] } } }, 'settings.permissions.allow'],
  [{ settings: { permissions: { defaultMode: 'bypassPermissions' } } }, 'bypassPermissions'],
  [{ settings: { permissions: { additionalDirectories: ['/'] } } }, 'additionalDirectories'],
  [{ settings: { permissions: { allow: 'Bash' } } }, 'validation_failed'],
])('what runs something by another way is refused, too: %j', (options, words) => {
  expect(refusal({}, options)).toContain(words);
});

test('options that run nothing need no leave', () => {
  const settings = { language: 'french', permissions: { deny: ['Bash'], allow: ['Read'] } };
  expect(refusal({}, { settings, sandbox: { autoAllowBashIfSandboxed: false } })).toBeUndefined();
});

test('at the start of an agent its further folders must be there, and inside the roots', async () => {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'policy-test-')));
  try {
    const policy = createPolicy(STRICT, createFolders([base]), { ready });
    const start = (folder: string) =>
      policy
        .checkStart({
          id: 'a',
          cwd: base,
          workspace: null,
          secrets: null,
          permissionMode: 'default',
          model: null,
          ...OWNED,
          options: { additional_directories: [folder] },
        })
        .catch((error: { code: string; status: number }) => `${error.status} ${error.code}`);
    mkdirSync(join(base, 'more'));
    expect(await start(join(base, 'more'))).toBeUndefined();
    rmSync(join(base, 'more'), { recursive: true });
    expect(await start(join(base, 'more'))).toBe('409 cwd_gone');
    symlinkSync('/', join(base, 'more'));
    expect(await start(join(base, 'more'))).toBe('403 cwd_not_allowed');
  } finally {
    rmSync(base, { recursive: true });
  }
});

test.each([
  ['none', 'http://127.0.0.1:1/x', false],
  ['loopback', 'http://127.0.0.1:1/x', true],
  ['loopback', 'http://localhost:1/x', true],
  ['loopback', 'http://[::1]:1/x', true],
  ['loopback', 'http://169.254.169.254/x', false],
  ['loopback', 'http://127.0.0.1.example.org/x', false],
  ['public', 'https://example.org/x', true],
  ['public', 'http://127.0.0.1:1/x', false],
  ['public', 'http://169.254.169.254/x', false],
  ['any', 'https://example.org/x', true],
] as const)('callbacks with %s: to %s %s', (callbackUrls, url, goes) => {
  const refused = (options: object) => refusal({ callbackUrls }, { ...options })?.split(':')[0];
  const expected = goes ? undefined : 'callback_not_allowed';
  expect(refused({ hooks: { PreToolUse: [{ url }] } })).toBe(expected);
  expect(refused({ custom_tools: [{ name: 'x', server: 'custom', url }] })).toBe(expected);
});

test('a custom tool has a name of its own', () => {
  const tool = { name: 'x', server: 'box' };
  expect(refusal({}, { custom_tools: [tool, tool] })).toContain('is there twice');
  const mcp_servers = { box: { type: 'http', url: 'http://127.0.0.1:1' } };
  expect(refusal({}, { custom_tools: [tool], mcp_servers })).toContain('is there twice');
});

test("a network can be limited only where there is a sandbox with a gateway, and only within the server's", () => {
  const asked = { network: { mode: 'limited', hosts: ['a.example'] } };
  expect(refusal({}, asked)).toMatch(/^network_not_limitable: .*this is a test\. Leave "network" out/);
  expect(refusal({ network: { mode: 'open' } }, asked)).toBeUndefined();
  expect(refusal({ network: { mode: 'none' } }, asked)).toMatch(/^policy_forbids: .*the network "limited"/);
  expect(refusal({ network: { mode: 'none' } }, { network: { mode: 'none' } })).toBeUndefined();
});
