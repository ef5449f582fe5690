import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { script } from './support/api.ts';
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

  test('tools are all that there are; an MCP server with alwaysLoad adds its own from the start', () => {
    expect(tools(asked('first:'))).toEqual(['Agent', 'Bash', 'Read', 'Skill', 'mcp__shout__shout']);
  });

  test('tool_aliases lead a call to another tool, and MCP tools answer', () => {
    expect(first).toContain('it came');
    expect(first).toContain('HELLO');
  });

  test("settings come to the agent, under the server's own", () => {
    expect(first).toContain('it came, claude-sonnet-4-5');
  });

  test('thinking, betas and task_budget stand in the request', () => {
    const call = asked('first:');
    expect(call.thinking).toMatchObject({ type: 'enabled', budget_tokens: 2048 });
    expect(call.output_config?.task_budget).toMatchObject({ total: 77_000 });
    expect(call.headers['anthropic-beta']).toContain('context-1m-2025-08-07');
  });

  test('plugins bring their commands; skills chooses among theirs', async () => {
    expect(await said(id, '/parrot:squawk')).toContain('squawk from the plugin');
    expect(all(asked('first:'))).toContain('How the parrot flies');
    expect(all(asked('first:'))).not.toContain('How the parrot swims');
  });

  test('nested fields of agents reach them: skills are in their context, maxTurns ends them', async () => {
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

test('sandbox is obeyed: commands are confined, or the agent refuses to start without it', async () => {
  const { status, body } = await server.call('POST', '/sessions', {
    sandbox: { enabled: true, autoAllowBashIfSandboxed: true },
  });
  const file = join(server.userHome, 'outside.txt');
  if (status === 200) await said(String(body.session_id), script(bash(`echo x > ${file}`), { say: 'tried' }));
  else expect(body.detail).toContain('sandbox');
  expect(existsSync(file)).toBe(false);
});

test('fields that the agent SDK does not know are refused, also deep inside', async () => {
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

test('an alias is asked for under the tool that it leads to', async () => {
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
