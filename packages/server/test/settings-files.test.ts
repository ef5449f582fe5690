import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CAN_SEE_PROCESSES, processesOf } from './support/agents.ts';
import { recordModelCalls } from './support/model-calls.ts';
import { IN_SANDBOX } from './support/sandbox.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

// Claude Code lets settings files beat its environment. Here they may not beat what the session was promised.

let server: TestServer;
let elsewhere: Server;
let elsewhereUrl: string;
/** Everything that another server on this machine was sent. */
const strayed: string[] = [];
const model = recordModelCalls();

beforeAll(async () => {
  elsewhere = createServer((request, response) => {
    strayed.push(`${request.method} ${request.url} ${JSON.stringify(request.headers)}`);
    response.writeHead(400).end('{}');
  });
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
  elsewhereUrl = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
  server = await startTestServer({
    model: model.options,
    config: { allow_bypass_permissions: true },
    env: { IS_SANDBOX: '', MCP_TIMEOUT: '7001', OTEL_SERVICE_NAME: 'mine' },
  });
});
afterAll(async () => {
  await cleanUp(server);
  elsewhere.close();
});
afterEach(() => {
  strayed.length = 0;
  rmSync(join(server.userHome, '.claude', 'settings.json'), { force: true });
});

function userSettings(settings: Record<string, unknown>): void {
  mkdirSync(join(server.userHome, '.claude'), { recursive: true });
  writeFileSync(join(server.userHome, '.claude', 'settings.json'), JSON.stringify(settings));
}

/** Ways in which a settings file sends model calls elsewhere, or has them paid by another. */
const ways: [string, () => Record<string, unknown>][] = [
  [
    'a base URL and headers',
    () => ({ ANTHROPIC_BASE_URL: elsewhereUrl, ANTHROPIC_CUSTOM_HEADERS: 'x-a: b' }),
  ],
  [
    'another key, and a proxy',
    () => ({ ANTHROPIC_AUTH_TOKEN: 'a', ANTHROPIC_API_KEY: 'b', HTTP_PROXY: elsewhereUrl }),
  ],
  [
    'Bedrock',
    () => ({
      CLAUDE_CODE_USE_BEDROCK: '1',
      ANTHROPIC_BEDROCK_BASE_URL: elsewhereUrl,
      AWS_BEARER_TOKEN_BEDROCK: 'a',
      AWS_REGION: 'us-east-1',
    }),
  ],
  [
    'Vertex',
    () => ({
      CLAUDE_CODE_USE_VERTEX: '1',
      ANTHROPIC_VERTEX_BASE_URL: elsewhereUrl,
      CLAUDE_CODE_SKIP_VERTEX_AUTH: '1',
      ANTHROPIC_VERTEX_PROJECT_ID: 'a',
    }),
  ],
  [
    'Foundry',
    () => ({
      CLAUDE_CODE_USE_FOUNDRY: '1',
      ANTHROPIC_FOUNDRY_BASE_URL: elsewhereUrl,
      ANTHROPIC_FOUNDRY_API_KEY: 'a',
    }),
  ],
];

describe('a proxied session talks only to this server, whatever the settings say', () => {
  const answersHere = async (): Promise<void> => {
    const { session_id } = await server.createSession({ model: 'demo', enable_proxy: true });
    const { body } = await server.call('POST', `/sessions/${session_id}/messages`, { message: 'say hello' });
    expect(body).toMatchObject({ is_error: false, messages: [{ content: 'hello' }] });
    expect(strayed).toEqual([]);
    await server.call('DELETE', `/sessions/${session_id}`);
  };

  test.each(ways)("the user's settings with %s", async (_, env) => {
    userSettings({ env: env() });
    await answersHere();
  });

  test("the user's settings with a key helper", async () => {
    userSettings({ apiKeyHelper: `touch ${join(server.root, 'helped')}; echo a` });
    const { session_id } = await server.createSession({ model: 'demo', enable_proxy: true });
    await server.send(session_id, 'say hello');
    const { body } = await server.call<{ cost_usd: number }>('GET', `/sessions/${session_id}/usage`);
    expect(body).toMatchObject({ by_model: { demo: {} } });
    expect(existsSync(join(server.root, 'helped'))).toBe(false);
  });

  test('the token for this server is not on the command line, which every user can read', async () => {
    if (!CAN_SEE_PROCESSES) return;
    const { session_id } = await server.createSession({ model: 'demo', enable_proxy: true });
    const [agent] = processesOf(session_id);
    expect(agent?.env.ANTHROPIC_API_KEY).toMatch(/^session-/);
    expect(agent?.command).not.toContain(agent?.env.ANTHROPIC_API_KEY);
  });
});

test("subagents use the session's model, whatever the user's settings say", async () => {
  userSettings({ env: { CLAUDE_CODE_SUBAGENT_MODEL: 'of-the-settings' } });
  const { session_id } = await server.createSession({ model: 'chosen' });
  const before = model.all.length;
  await server.send(session_id, 'start a subagent');
  expect(new Set(model.all.slice(before).map((request) => request.model))).toEqual(new Set(['chosen']));
});

test.skipIf(!CAN_SEE_PROCESSES)(
  'timeouts, limits and telemetry that the user set reach the agent',
  async () => {
    const { session_id } = await server.createSession();
    const [agent] = processesOf(session_id);
    expect(agent?.env).toMatchObject({ MCP_TIMEOUT: '7001', OTEL_SERVICE_NAME: 'mine' });
  },
);

describe.skipIf(process.getuid?.() !== 0 || IN_SANDBOX)(
  'as root, with allow_bypass_permissions but without a sandbox',
  () => {
    test('the server says so at the start, and sessions work', async () => {
      expect(server.stderr()).toContain('IS_SANDBOX=1');
      const { session_id } = await server.createSession();
      expect(await server.send(session_id, 'say hello')).toMatchObject({ is_error: false });
    });

    test('bypassPermissions is refused with the reason', async () => {
      const asked = await server.call('POST', '/sessions', { permission_mode: 'bypassPermissions' });
      expect(asked).toMatchObject({ status: 403, body: { code: 'bypass_needs_sandbox' } });
      expect(asked.body.detail).toContain('IS_SANDBOX=1');
    });
  },
);
