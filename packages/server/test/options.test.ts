import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SESSION_OPTIONS } from 'claude-agent-protocol/session-options';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CAN_SEE_PROCESSES, processesOf } from './support/agents.ts';
import { firstFrame, script } from './support/api.ts';
import { type ModelCall, promptOf } from './support/model-calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

// Each option of a session has its effect: in what the model is sent, or in what a tool does.

interface Sent extends ModelCall {
  thinking?: unknown;
  output_config?: { task_budget?: unknown; effort?: unknown };
  headers: Record<string, string>;
}

let server: TestServer;
const sent: Sent[] = [];
beforeAll(async () => {
  server = await startTestServer({
    model: {
      onRequest: ({ path, headers, body }) => {
        if (path === '/v1/messages')
          sent.push({ ...(body as ModelCall), headers: Object.fromEntries(headers) });
      },
    },
  });
});
afterAll(() => cleanUp(server));

const MCP = fileURLToPath(new URL('fixtures/shout-server.ts', import.meta.url));

/** The first request whose last prompt holds these words. */
const asked = (words: string): Sent => {
  const found = sent.find((call) => promptOf(call).includes(words));
  if (!found) throw new Error(`the model was not sent "${words}"`);
  return found;
};
const tools = (call: Sent): string[] => (call.tools ?? []).map(({ name }) => name);
const all = (call: Sent): string => JSON.stringify([call.system, call.messages]);

/** A plugin with a command and a skill. */
function makePlugin(folder: string): string {
  for (const [file, text] of Object.entries({
    '.claude-plugin/plugin.json': JSON.stringify({
      name: 'parrot',
      version: '1.0.0',
      description: 'A parrot',
    }),
    'commands/squawk.md': '---\ndescription: Makes noise\n---\nsay squawk from the plugin',
    'skills/fly/SKILL.md': '---\nname: fly\ndescription: How the parrot flies\n---\nFlap both wings.',
    'skills/swim/SKILL.md': '---\nname: swim\ndescription: How the parrot swims\n---\nIt does not.',
  })) {
    const path = join(folder, file);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, text);
  }
  return folder;
}

const bash = (command: string): Record<string, unknown> => ({
  tools: [{ name: 'Bash', input: { command, description: 'test' } }],
});

/** What the agent said and did, as text. */
const said = async (id: string, message: string): Promise<string> =>
  JSON.stringify((await server.send(id, message)).messages);

describe('one session with many options', () => {
  let id: string;
  let first: string;
  beforeAll(async () => {
    const session = await server.createSession({
      model: 'claude-sonnet-4-5',
      system_prompt: { type: 'preset', preset: 'claude_code', append: 'Mention the lighthouse.' },
      tools: ['Bash', 'Read', 'Agent', 'Skill'],
      allowed_tools: ['Bash', 'Agent', 'Skill', 'mcp__shout__shout'],
      tool_aliases: { Shell: 'Bash' },
      thinking: { type: 'enabled', budgetTokens: 2048 },
      betas: ['context-1m-2025-08-07'],
      task_budget: { total: 77_000 },
      settings: { env: { FROM_SETTINGS: 'it came', CLAUDE_CODE_SUBAGENT_MODEL: 'elsewhere' } },
      plugins: [{ path: makePlugin(join(server.root, 'parrot')) }],
      skills: ['parrot:fly'],
      agents: {
        helper: {
          description: 'Helps',
          prompt: 'You are the helper.',
          maxTurns: 1,
          skills: ['parrot:swim'],
        },
      },
      mcp_servers: { shout: { command: process.execPath, args: [MCP], alwaysLoad: true, timeout: 5000 } },
      include_hook_events: true,
    });
    id = session.session_id;
    first = await said(
      id,
      script(
        {
          tools: [
            {
              name: 'Shell',
              input: { command: 'echo "$FROM_SETTINGS, $CLAUDE_CODE_SUBAGENT_MODEL"', description: 'x' },
            },
            { name: 'mcp__shout__shout', input: { text: 'hello' } },
          ],
        },
        { say: 'first: {{results}}' },
      ),
    );
  });

  test("system_prompt with append adds to the agent's own", () => {
    const { system } = asked('first:');
    expect(JSON.stringify(system)).toContain('Mention the lighthouse.');
    expect(JSON.stringify(system).length).toBeGreaterThan(2_000);
  });

  test('tools limits the tools; an MCP server with alwaysLoad adds its own from the start', () => {
    expect(tools(asked('first:'))).toEqual(['Agent', 'Bash', 'Read', 'Skill', 'mcp__shout__shout']);
  });

  test('tool_aliases redirect a call to another tool, and MCP tools answer', () => {
    expect(first).toContain('it came');
    expect(first).toContain('HELLO');
  });

  test("settings reach the agent, overridden by the server's own", () => {
    expect(first).toContain('it came, claude-sonnet-4-5');
  });

  test('thinking, betas and task_budget are in the request', () => {
    const call = asked('first:');
    expect(call.thinking).toMatchObject({ type: 'enabled', budget_tokens: 2048 });
    expect(call.output_config?.task_budget).toMatchObject({ total: 77_000 });
    expect(call.headers['anthropic-beta']).toContain('context-1m-2025-08-07');
  });

  test('plugins bring their commands; skills selects from theirs', async () => {
    expect(await said(id, '/parrot:squawk')).toContain('squawk from the plugin');
    expect(all(asked('first:'))).toContain('How the parrot flies');
    expect(all(asked('first:'))).not.toContain('How the parrot swims');
  });

  test('nested fields of agents take effect: skills are in their context, maxTurns ends them', async () => {
    const prompt = script(bash('echo one'), bash('echo two'), { say: 'helped' });
    await server.send(
      id,
      script(
        { tools: [{ name: 'Agent', input: { description: 'd', subagent_type: 'helper', prompt } }] },
        { say: 'second: {{results}}' },
      ),
      { wait_for: 'background' },
    );
    const calls = sent.filter(({ system }) => JSON.stringify(system).includes('You are the helper.'));
    expect(calls).toHaveLength(1);
    expect(all(calls[0] as Sent)).toContain('It does not.');
  });
});

test('agent leads the main conversation; plan instructions, effort, no prompts, verbatim prompts', async () => {
  const { session_id: id } = await server.createSession({
    agent: 'pilot',
    agents: { pilot: { description: 'Leads', prompt: 'You are the pilot of this ship.' } },
    permission_mode: 'plan',
    plan_mode_instructions: 'Draw the plan in the sand.',
    permission_prompts: 'none',
    verbatim_prompts: true,
    effort: 'low',
  });
  expect(await said(id, '/context')).toContain('none of my commands');
  const call = asked('/context');
  expect(JSON.stringify(call.system)).toContain('You are the pilot of this ship.');
  expect(all(call)).toContain('Draw the plan in the sand.');
  expect(call.output_config?.effort).toBe('low');
  const file = join(server.root, 'nobody-asked.txt');
  expect(
    await said(
      id,
      script(
        { tools: [{ name: 'Write', input: { file_path: file, content: 'x' } }] },
        { say: '{{results}}' },
      ),
    ),
  ).toContain('no approval surface');
});

test('sandbox takes effect: commands are confined, or the agent refuses to start', async () => {
  const { status, body } = await server.call('POST', '/sessions', {
    sandbox: { enabled: true, autoAllowBashIfSandboxed: true },
  });
  const file = join(server.userHome, 'outside.txt');
  if (status === 200) await said(String(body.session_id), script(bash(`echo x > ${file}`), { say: 'tried' }));
  else expect(body.detail).toContain('sandbox');
  expect(existsSync(file)).toBe(false);
});

test('fields that the agent SDK does not know are refused, nested ones too', async () => {
  const answer = await server.call('POST', '/sessions', {
    agents: { a: { description: 'x', prompt: 'y', max_turns: 2 } },
    mcp_servers: { s: { command: 'x', timeout_ms: 2 } },
  });
  expect(answer.status).toBe(422);
  expect(JSON.stringify(answer.body)).toContain(
    'agents.a.max_turns: there is no such field. Did you mean \\"maxTurns\\"?',
  );
  expect(JSON.stringify(answer.body)).toContain('mcp_servers.s.timeout_ms');
});

test('a permission for an alias names the tool behind it', async () => {
  const { session_id: id } = await server.createSession({
    tool_aliases: { Read: 'Bash' },
    allowed_tools: ['Read'],
    permission_prompts: 'none',
  });
  const file = join(server.root, 'aliased.txt');
  const message = script(
    { tools: [{ name: 'Read', input: { command: `touch ${file}`, description: 'x' } }] },
    { say: '{{results}}' },
  );
  expect(await said(id, message)).toContain('no approval surface');
  expect(existsSync(file)).toBe(false);
});

test('the documentation accounts for every option of the agent SDK', () => {
  const types = readFileSync(
    new URL('../../../node_modules/@anthropic-ai/claude-agent-sdk/sdk.d.ts', import.meta.url),
    'utf8',
  );
  const start = types.indexOf('export declare type Options = {');
  const names = [...types.slice(start, types.indexOf('\n};', start)).matchAll(/^ {4}(\w+)\??:/gm)].map(
    ([, name]) => name ?? '',
  );
  expect(names.length).toBeGreaterThan(60);
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  expect(names.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
  expect(Object.keys(SESSION_OPTIONS).filter((field) => !readme.includes(`\`${field}\``))).toEqual([]);
});

describe('resume', () => {
  test.runIf(CAN_SEE_PROCESSES)(
    'a closed session takes every option that comes with its resume, and keeps them',
    async () => {
      const { session_id: id } = await server.createSession({
        system_prompt: 'The words of before.',
        allowed_tools: ['Bash'],
        title: 'Before',
      });
      expect(await said(id, script(bash('echo it ran'), { say: 'one: {{results}}' }))).toContain('it ran');
      await server.call('DELETE', `/sessions/${id}`);
      const again = await server.createSession({
        resume_session_id: id,
        system_prompt: 'The words of after.',
        disallowed_tools: ['Bash'],
        max_turns: 1,
        title: 'After',
        metadata: { n: 2 },
        permission_mode: 'acceptEdits',
        mcp_servers: { shout: { command: process.execPath, args: [MCP], alwaysLoad: true } },
        agents: { diver: { description: 'Goes deep', prompt: 'You dive.' } },
      });
      expect(again).toMatchObject({ session_id: id, resumed: true, permission_mode: 'acceptEdits' });
      expect(await server.status(id)).toMatchObject({ title: 'After', metadata: { n: 2 } });
      const { error } = await server.send(id, script(bash('echo again'), { say: 'two: {{results}}' }));
      expect(error?.code).toBe('error_max_turns');
      const call = asked('two:');
      expect(tools(call)).toContain('mcp__shout__shout');
      expect(tools(call)).not.toContain('Bash');
      expect(JSON.stringify(call.system)).toContain('The words of after.');
      expect(JSON.stringify(call.system)).not.toContain('The words of before.');
      expect(all(call)).toContain('Goes deep');
      expect(all(call)).toContain('one: ');

      // Without a word about them they stay; and a process that died takes new ones at its next start.
      await server.call('DELETE', `/sessions/${id}`);
      await server.createSession({ resume_session_id: id, max_turns: 5 });
      await server.send(id, script({ say: 'three' }));
      expect(tools(asked('three'))).not.toContain('Bash');
      const { last_seq } = await server.status(id);
      const frames = await server.openStream(`/sessions/${id}/events?after=${last_seq}`);
      process.kill(processesOf(id)[0]?.pid as number, 'SIGKILL');
      await firstFrame(
        frames,
        ({ event, data }) => event === 'session.state' && data.data.state === 'asleep',
      );
      await server.createSession({ resume_session_id: id, disallowed_tools: ['Read'] });
      await server.send(id, script({ say: 'four' }));
      expect(tools(asked('four'))).toContain('Bash');
      expect(tools(asked('four'))).not.toContain('Read');
    },
  );

  test('a live session takes what can change at once; other fields are a 409 that names them and changes nothing', async () => {
    const options = { disallowed_tools: ['Bash'] };
    const { session_id: id } = await server.createSession({ ...options, title: 'Before' });
    const resume = (more: object) =>
      server.call('POST', '/sessions', { resume_session_id: id, ...options, ...more });
    const refused = await resume({ title: 'Not this', max_turns: 3, tools: ['Read'] });
    expect(refused).toMatchObject({ status: 409, body: { code: 'options_need_restart' } });
    expect(refused.body.detail).toMatch(/takes max_turns, tools only when it starts\. Close the session/);
    expect(await server.status(id)).toMatchObject({ title: 'Before' });

    const taken = await resume({
      model: 'claude-haiku-4-5',
      permission_mode: 'acceptEdits',
      title: 'After',
      metadata: { a: 1 },
      permission_timeout_seconds: 1234,
    });
    expect(taken).toMatchObject({
      status: 200,
      body: { was_live: true, model: 'claude-haiku-4-5', permission_mode: 'acceptEdits' },
    });
    expect(await server.status(id)).toMatchObject({ title: 'After', metadata: { a: 1 } });
    const file = join(server.root, 'accepted.txt');
    await server.send(
      id,
      script({ tools: [{ name: 'Write', input: { file_path: file, content: 'x' } }] }, { say: 'accepted' }),
    );
    expect(existsSync(file)).toBe(true);
    expect(asked('accepted').model).toBe('claude-haiku-4-5');
    await server.call('POST', `/sessions/${id}/permission_mode`, { mode: 'default' });
    const frames = await server.openStream(`/sessions/${id}/events`);
    void server.send(
      id,
      script({ tools: [{ name: 'Write', input: { file_path: `${file}2`, content: 'x' } }] }, { say: 'y' }),
    );
    const { data } = await firstFrame(frames, ({ event }) => event === 'permission.requested');
    expect(Date.parse(data.data.expires_at) - Date.parse(data.data.requested_at)).toBe(1_234_000);
    await server.call('DELETE', `/sessions/${id}`);
  });

  test('options with which the agent cannot start are not stored', async () => {
    const { session_id: id } = await server.createSession();
    await said(id, 'say hello');
    await server.call('DELETE', `/sessions/${id}`);
    const sandbox = { enabled: true, network: { httpProxyPort: 'not a port' } };
    expect((await server.call('POST', '/sessions', { resume_session_id: id, sandbox })).status).toBe(502);
    await server.createSession({ resume_session_id: id });
    expect(await said(id, 'what did I say')).toContain('say hello');
  });
});
