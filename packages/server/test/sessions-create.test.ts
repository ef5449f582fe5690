import { randomUUID } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SessionCreated, type SessionDetail } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CAN_SEE_PROCESSES, processesOf } from './support/agents.ts';
import { script } from './support/api.ts';
import { type Calls, callsOver, expectProblem, textOf, UNKNOWN, write } from './support/calls.ts';
import { recordModelCalls } from './support/model-calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

import { transcriptOf } from './support/transcripts.ts';
import { direct, TRANSPORTS, type Transport } from './support/transports.ts';

// What POST /sessions takes besides model, system_prompt and enable_proxy, and what comes of it.

let server: TestServer;
let calls: Calls;
let otherRoot: string;
const model = recordModelCalls();
beforeAll(async () => {
  otherRoot = realpathSync(mkdtempSync(join(tmpdir(), 'agent-server-test-')));
  server = await startTestServer({ model: model.options, args: ['--root', otherRoot] });
  calls = callsOver(direct(server));
});
afterAll(async () => {
  await cleanUp(server);
  rmSync(otherRoot, { recursive: true, force: true });
});

/** Runs one message in a new session and closes it. */
async function once(options: Record<string, unknown>, message: string) {
  const session = await calls.create(options);
  const answer = await calls.send(session.session_id, message);
  await calls.close(session.session_id);
  return { session, answer, text: textOf(answer) };
}

const bash = (command: string): string =>
  script({ tools: [{ name: 'Bash', input: { command, description: 'test' } }] }, { say: '{{result}}' });

describe.each(TRANSPORTS)('$way', ({ over }) => {
  let api: Transport;
  let calls: Calls;
  /** For tests that leave a session as they found it. */
  let shared: SessionCreated;
  beforeAll(async () => {
    api = over(server);
    calls = callsOver(api);
    shared = await calls.create();
  });

  describe('POST /sessions', () => {
    test('answers id, time and "connected"; the id is the one on disk, so a closed session can be resumed', async () => {
      const { status: code, body } = await api.call('POST', '/sessions');
      expect(code).toBe(200);
      expect(SessionCreated.parse(body)).toMatchObject({ status: 'connected', resumed: false });
      const { session_id } = body as SessionCreated;
      await calls.send(session_id, 'say the parrot is green');
      expect(readFileSync(transcriptOf(server.userHome, session_id) ?? '', 'utf8')).toContain(
        'the parrot is green',
      );

      await calls.close(session_id);
      const again = await calls.create({ resume_session_id: session_id });
      expect(again).toMatchObject({ session_id, status: 'connected', resumed: true });
      expect(textOf(await calls.send(session_id, 'what did I say'))).toContain('the parrot is green');
      await calls.close(session_id);
    });

    test('the model is ANTHROPIC_MODEL, unless another is asked for with its system prompt', async () => {
      expect(shared.model).toBe('demo');
      const words = randomUUID();
      await calls.send(shared.session_id, `say ${words}`);
      expect(model.first(words)?.model).toBe('demo');

      const other = await calls.create({ model: 'demo-2', system_prompt: 'You are a lighthouse.' });
      expect(other.model).toBe('demo-2');
      const more = randomUUID();
      await calls.send(other.session_id, `say ${more}`);
      expect(model.first(more)?.model).toBe('demo-2');
      expect(JSON.stringify(model.first(more)?.system)).toContain('You are a lighthouse.');
      await calls.close(other.session_id);
    });

    test('a resume of a session that is live here returns that session', async () => {
      const again = await calls.create({ resume_session_id: shared.session_id });
      expect(again).toEqual({ ...shared, resumed: true, was_live: true });
    });

    test('an unknown id to resume is a 404 at once; an invalid UUID is a 422', async () => {
      const started = performance.now();
      expectProblem(
        await api.call('POST', '/sessions', { body: { resume_session_id: UNKNOWN } }),
        404,
        'session_not_found',
      );
      expect(performance.now() - started).toBeLessThan(2_000);
      expectProblem(
        await api.call('POST', '/sessions', { body: { resume_session_id: 'yesterday' } }),
        422,
        'validation_failed',
      );
    });

    test('an agent that cannot start is a 502 with its own message, and leaves no session', async () => {
      const before = (await api.call('GET', '/health')).body.active_sessions;
      const answer = await api.call('POST', '/sessions', {
        body: { output_format: { type: 'json_schema', schema: { type: 'nonsense' } } },
      });
      expect(expectProblem(answer, 502, 'agent_start_failed').detail).toContain('not a valid JSON Schema');
      expect((await api.call('GET', '/health')).body.active_sessions).toBe(before);
    });
  });
});

test('a session works in cwd, by default the first root', async () => {
  const first = await once({ allowed_tools: ['Bash'] }, bash('pwd'));
  expect([first.session.cwd, first.text]).toEqual([server.root, server.root]);
  expect((await calls.create({ cwd: otherRoot, start: 'lazy' })).cwd).toBe(otherRoot);
});

test('a relative cwd starts at the first root, and links inside the roots are followed', async () => {
  const target = join(server.root, 'target');
  mkdirSync(target);
  symlinkSync(target, join(server.root, 'link'));
  const { session, text } = await once({ allowed_tools: ['Bash'], cwd: './x/../link' }, bash('pwd'));
  expect([session.cwd, text]).toEqual([target, target]);
});

test('title and metadata come back unchanged', async () => {
  const metadata = { customer: 7, tags: ['a', 'b'], nested: { deep: [null, true] }, emoji: '🦜' };
  const { session_id } = await calls.create({ title: 'A title, 題名', metadata, start: 'lazy' });
  expect(await calls.status(session_id)).toMatchObject({ title: 'A title, 題名', metadata });
});

test('permission_mode is the mode from the start', async () => {
  const file = join(server.root, `${randomUUID()}.txt`);
  const { session } = await once({ permission_mode: 'acceptEdits' }, write(file));
  expect(session.permission_mode).toBe('acceptEdits');
  expect(readFileSync(file, 'utf8')).toBe('written');
});

test('bypassPermissions is a 403 unless the configuration allows it', async () => {
  const answer = await server.call('POST', '/sessions', { permission_mode: 'bypassPermissions' });
  expectProblem(answer, 403, 'permission_mode_forbidden');

  const config = join(server.root, 'config.json');
  writeFileSync(config, JSON.stringify({ allow_bypass_permissions: true }));
  const lenient = await startTestServer({ args: ['--config', config] });
  const { session_id } = await lenient.createSession({ permission_mode: 'bypassPermissions' });
  const file = join(lenient.root, 'unasked.txt');
  await lenient.send(session_id, write(file));
  expect(readFileSync(file, 'utf8')).toBe('written');
  await cleanUp(lenient);
});

/** Options that do not touch each other, in one session: an agent costs more than all of its turns. */
const several = {
  allowed_tools: ['Bash(touch:*)'],
  disallowed_tools: ['WebSearch', 'Read'],
  agents: { poet: { description: 'Writes poems', prompt: 'You are a poet of few words.' } },
};
let withSeveral: SessionCreated | undefined;
async function inSeveral(message: string): Promise<string> {
  withSeveral ??= await calls.create(several);
  return textOf(await calls.send(withSeveral.session_id, message));
}

test('allowed_tools run without asking, disallowed_tools are not offered to the model', async () => {
  const words = randomUUID();
  const text = await inSeveral(
    script(
      { tools: [{ name: 'Bash', input: { command: `touch ${words}`, description: 'test' } }] },
      { say: 'done' },
    ),
  );
  expect(text).toBe('done');
  const offered = model.first(words)?.tools?.map(({ name }) => name);
  expect(offered).toContain('Bash');
  expect(offered).not.toContain('Read');
});

test('additional_directories can be read without asking', async () => {
  const file = join(otherRoot, 'note.txt');
  writeFileSync(file, 'from the other folder');
  const { text } = await once({ additional_directories: [otherRoot] }, `read ${file}`);
  expect(text).toContain('from the other folder');
});

test('mcp_servers are started, their tools work, and their secrets are on no command line', async () => {
  const box = {
    command: process.execPath,
    args: [fileURLToPath(new URL('fixtures/shout-server.ts', import.meta.url))],
    env: { BOX_WORD: 'a-secret-word' },
  };
  const session = await calls.create({ mcp_servers: { box }, allowed_tools: ['mcp__box__shout'] });
  const answer = await calls.send(
    session.session_id,
    script({ tools: [{ name: 'mcp__box__shout', input: { text: 'hello' } }] }, { say: '{{result}}' }),
  );
  expect(textOf(answer)).toContain('HELLO a-secret-word');
  if (CAN_SEE_PROCESSES) {
    const agent = processesOf(session.session_id)[0];
    expect(readFileSync(`/proc/${agent?.pid}/cmdline`, 'utf8')).not.toContain('a-secret-word');
  }
  await calls.close(session.session_id);
});

test('agents can be used as subagents', async () => {
  const words = randomUUID();
  const prompt = script({ say: `a poem about ${words}` });
  const text = await inSeveral(
    script(
      {
        tools: [
          {
            name: 'Agent',
            input: { description: 'poem', prompt, subagent_type: 'poet', run_in_background: false },
          },
        ],
      },
      { say: '{{result}}' },
    ),
  );
  expect(text).toContain(`a poem about ${words}`);
  const asked = model.all.find((call) =>
    JSON.stringify(call.system).includes('You are a poet of few words.'),
  );
  expect(asked).toBeDefined();
});

test('max_turns ends a turn that would run on', async () => {
  const steps = Array.from({ length: 5 }, () => ({
    tools: [{ name: 'Bash', input: { command: 'true', description: 'test' } }],
  }));
  const { answer } = await once({ max_turns: 2, allowed_tools: ['Bash'] }, script(...steps));
  expect(answer).toMatchObject({
    status: 200,
    body: { is_error: true, error: { code: 'error_max_turns' } },
  });
});

test('max_budget_usd ends a turn that costs too much', async () => {
  const { answer } = await once(
    { max_budget_usd: 0.000001, model: 'claude-sonnet-4-5', allowed_tools: ['Bash'] },
    script(
      ...[1, 2, 3].map(() => ({ tools: [{ name: 'Bash', input: { command: 'true', description: 'x' } }] })),
    ),
  );
  expect(answer.body.error?.code).toBe('error_max_budget_usd');
});

test('effort reaches the agent', async () => {
  const { text } = await once({ effort: 'low', allowed_tools: ['Bash'] }, bash('echo effort=$CLAUDE_EFFORT'));
  expect(text).toBe('effort=low');
});

test('output_format produces a structured_output of that schema', async () => {
  const schema = {
    type: 'object',
    properties: { colour: { type: 'string', enum: ['red'] }, count: { type: 'integer', minimum: 3 } },
    required: ['colour', 'count'],
  };
  const { answer } = await once({ output_format: { type: 'json_schema', schema } }, 'say anything');
  expect(answer.body.structured_output).toEqual({ colour: 'red', count: 3 });
});

test('setting_sources decide whether project settings apply', async () => {
  const folder = join(server.root, 'project');
  mkdirSync(folder);
  const rule = `Always mention ${randomUUID()}.`;
  writeFileSync(join(folder, 'CLAUDE.md'), rule);
  for (const setting_sources of [['project'], []]) {
    const words = randomUUID();
    await once({ cwd: folder, setting_sources }, `say ${words}`);
    const asked = JSON.stringify(model.first(words) ?? {});
    expect([setting_sources, asked.includes(rule)]).toEqual([setting_sources, setting_sources.length > 0]);
  }
});

test('fork with resume_session_id continues in a copy: the original does not change', async () => {
  const { session_id: original } = await calls.create({ title: 'the original', metadata: { a: 1 } });
  await calls.send(original, 'say the first thing');
  const { events } = (
    await server.call<{ events: unknown[] }>('GET', `/sessions/${original}/events`, undefined, {
      headers: { accept: 'application/json' },
    })
  ).body;

  const copy: SessionCreated = await calls.create({ resume_session_id: original, fork: true });
  expect(copy.session_id).not.toBe(original);
  expect(copy.resumed).toBe(false);
  const detail: SessionDetail = await calls.status(copy.session_id);
  expect(detail.forked_from).toBe(original);
  expect(textOf(await calls.send(copy.session_id, 'what did I say'))).toContain('the first thing');

  expect((await calls.status(original)).last_seq).toBe(events.length);
  // What was said in the copy is not known in the original.
  await calls.send(copy.session_id, 'say only the copy knows');
  const known = textOf(await calls.send(original, 'what did I say'));
  expect(known).toContain('the first thing');
  expect(known).not.toContain('only the copy knows');
});
