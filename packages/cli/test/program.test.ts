import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AgentClient, type AgentSession } from 'claude-agent-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cleanUp, script, startTestServer, type TestServer } from '../../client/test/support/server.ts';
import { PROGRAM } from './support/terminal.ts';

let server: TestServer;
let client: AgentClient;
/** An open session, in which a prompt costs a tenth of what one of its own does. */
let shared: AgentSession;
/** The arguments of a prompt in it; tests of what a new session is and becomes do without. */
let inShared: string[];
beforeAll(async () => {
  server = await startTestServer();
  client = new AgentClient({ baseUrl: server.url });
  shared = await client.sessions.create();
  inShared = ['--resume', shared.id];
});
afterAll(() => cleanUp(server));

interface Run {
  code: number | null;
  stdout: string;
  stderr: string;
}

interface RunOptions {
  stdin?: string;
  env?: Record<string, string>;
  cwd?: string;
  onStart?: (child: ChildProcess) => void;
}

/** Runs the program as a script would: no terminal anywhere. */
function run(
  args: string[],
  { stdin = '', env = {}, cwd = server.root, onStart }: RunOptions = {},
): Promise<Run> {
  const [node = '', ...rest] = PROGRAM;
  const child = spawn(node, [...rest, ...args], {
    cwd,
    env: { ...process.env, CLAUDE_AGENT_SERVER: server.url, ...env },
  });
  child.stdin.end(stdin);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  onStart?.(child);
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
}

const writeFile = (name: string): string =>
  script(
    { tools: [{ name: 'Write', input: { file_path: join(server.root, name), content: 'x' } }] },
    { say: 'Done.' },
  );

const lines = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('one prompt', () => {
  test('its answer is all that is on standard output', async () => {
    expect(await run(['-p', 'say Hello'])).toEqual({ code: 0, stdout: 'Hello\n', stderr: '' });
  });

  test('of several texts, the answer is what was said after the last tool', async () => {
    const { stdout } = await run(['-p', 'list files', ...inShared]);
    expect(stdout).toMatch(/^In the working directory/);
  });

  test('goes on to the report of what it began in the background, as claude -p does', async () => {
    const { code, stdout } = await run(['-p', 'start a subagent in the background to wait 1 seconds']);
    // Measured: `claude -p` of 2.1.330 prints both results, with an empty line between them.
    expect(stdout).toMatch(
      /^It runs in the background now\..*\n\nA background task has news: .*That was 1 sec/,
    );
    expect(code).toBe(0);
  });

  test('what works in the background may need a permission too', async () => {
    const prompt = (file: string) => `start a subagent in the background to run touch ${file}`;
    const refused = await run(['-p', prompt('refused.txt')]);
    expect(refused).toMatchObject({ code: 4, stdout: '' });
    expect(refused.stderr).toContain('The agent needs permission for Bash(touch refused.txt)');
    expect(existsSync(join(server.root, 'refused.txt'))).toBe(false);
    const allowed = await run(['-p', prompt('granted.txt'), '--on-permission', 'allow']);
    expect(allowed).toMatchObject({ code: 0, stdout: expect.stringContaining('A background task has news') });
    expect(existsSync(join(server.root, 'granted.txt'))).toBe(true);
  });

  test('comes from standard input', async () => {
    expect((await run(inShared, { stdin: 'say piped' })).stdout).toBe('piped\n');
    expect((await run(['-p', ...inShared], { stdin: 'say piped too' })).stdout).toBe('piped too\n');
    expect((await run(['-p', '-', ...inShared], { stdin: 'say and this' })).stdout).toBe('and this\n');
  });

  test('what is piped into it belongs to it', async () => {
    const words = PROGRAM.map((word) => `"${word}"`).join(' ');
    const { stdout } = await promisify(execFile)(
      'sh',
      ['-c', `echo "the piped part" | ${words} -p "say first" ${inShared.join(' ')}`],
      {
        cwd: server.root,
        env: { ...process.env, CLAUDE_AGENT_SERVER: server.url },
      },
    );
    expect(stdout).toBe('first\n\nthe piped part\n');
  });

  test('as JSON: the result of the turn, and the answer in `result`', async () => {
    const { code, stdout } = await run(['-p', 'say Hello', '--output-format', 'json', ...inShared]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      result: 'Hello',
      is_error: false,
      session_id: expect.any(String),
    });
  });

  test("as a stream: the SDK's messages, one a line", async () => {
    const { stdout } = await run(['-p', 'say Hello', '--output-format', 'stream-json', ...inShared]);
    const messages = lines(stdout);
    expect(messages.map(({ type }) => type)).toEqual(['system', 'assistant', 'result']);
    expect(messages.at(-1)).toMatchObject({ result: 'Hello' });
  });

  test('leaves no agent running, and can be resumed', async () => {
    const first = JSON.parse((await run(['-p', 'say remember', '--output-format', 'json'])).stdout);
    expect((await client.session(first.session_id).info()).status).toBe('closed');
    const { stdout } = await run(['-p', 'what did I say', '--resume', first.session_id]);
    expect(stdout).toContain('say remember');
  });

  test('--continue goes on with the latest session of the folder', async () => {
    const cwd = join(server.root, 'continued');
    mkdirSync(cwd);
    expect(await run(['-p', 'say no', '--continue'], { cwd })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('There is no session of'),
    });
    await run(['-p', 'say yesterday'], { cwd });
    expect((await run(['-p', 'what did I say', '--continue'], { cwd })).stdout).toContain('say yesterday');
  });

  test('takes model, mode, system prompt, limits and tools', async () => {
    const flags = ['--model', 'm1', '--mode', 'acceptEdits', '--max-turns', '3', '--max-budget-usd', '2.5'];
    const tools = ['--allowed-tools', 'Read,Bash(git log:*)', '--system-prompt', 'Be short.', '--title', 'x'];
    const { stdout } = await run([
      '-p',
      'say flags',
      ...flags,
      ...tools.slice(0, 4),
      '--output-format',
      'json',
    ]);
    const info = await client.session(JSON.parse(stdout).session_id).info();
    expect(info).toMatchObject({ current_model: 'm1', permission_mode: 'acceptEdits', cwd: server.root });
  });

  test('works in a folder that the server does not open, and says so; with --cwd it refuses', async () => {
    const { code, stderr } = await run(['-p', 'say here'], { cwd: '/' });
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: `The server does not open /; the agent works in ${server.root}.\n`,
    });
    expect(await run(['-p', 'say here', '--cwd', '/'])).toMatchObject({ code: 1, stdout: '' });
  });

  test('an image goes along', async () => {
    writeFileSync(
      join(server.root, 'dot.gif'),
      Buffer.from('R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs=', 'base64'),
    );
    await run(['-p', 'say seen', '--image', 'dot.gif', ...inShared]);
    expect((await shared.turns()).at(-1)?.message).toMatchObject([{ type: 'text' }, { type: 'image' }]);
  });
});

describe('a permission that nobody can give', () => {
  test('ends the turn with code 4, and says how to allow it', async () => {
    const result = await run(['-p', writeFile('fail.txt'), ...inShared]);
    expect(result).toMatchObject({ code: 4, stdout: '' });
    expect(result.stderr).toMatch(/needs permission for Write\(.*fail\.txt\)\. .*--allowed-tools "Write"/);
    expect(existsSync(join(server.root, 'fail.txt'))).toBe(false);
  });

  test('is denied when asked to, and the turn goes on', async () => {
    expect(await run(['-p', writeFile('deny.txt'), '--on-permission', 'deny', ...inShared])).toMatchObject({
      code: 0,
      stdout: 'Done.\n',
    });
    expect(existsSync(join(server.root, 'deny.txt'))).toBe(false);
  });

  test('is given when asked to, or when the tool is allowed', async () => {
    await run(['-p', writeFile('allow.txt'), '--on-permission', 'allow', ...inShared]);
    expect(existsSync(join(server.root, 'allow.txt'))).toBe(true);
    expect((await run(['-p', writeFile('listed.txt'), '--allowed-tools', 'Write'])).code).toBe(0);
    expect(existsSync(join(server.root, 'listed.txt'))).toBe(true);
  });

  test('a question cannot be allowed: it needs an answer', async () => {
    const { code, stderr } = await run(['-p', 'ask me a question', '--on-permission', 'allow', ...inShared]);
    expect(code).toBe(4);
    expect(stderr).toContain('It needs an answer from a person');
  });
});

describe('exit codes', () => {
  test('1: the turn failed', async () => {
    const { code, stderr } = await run(['-p', 'fail', ...inShared]);
    expect(code).toBe(1);
    expect(stderr).not.toBe('');
  });

  test.each([
    [['--nonsense'], '--nonsense'],
    [['nonsense'], 'There is no command "nonsense"'],
    [['-p', 'x', '--output-format', 'xml'], '--output-format must be one of: text, json, stream-json'],
    [['-p', 'x', '--max-turns', 'many'], '--max-turns must be a whole number'],
    [['-p', ' '], 'The prompt is empty'],
    [['-p', 'x', '--image', 'no.txt'], 'no.txt is not an image'],
    [['--server', 'ftp://x', 'usage'], '--server must be an address'],
    [['show'], 'Which session?'],
  ])('2: wrong usage: %j', async (args, words) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(words);
  });

  test('3: the server is away', async () => {
    const result = await run(['-p', 'x', '--server', 'http://127.0.0.1:9']);
    expect(result).toMatchObject({
      code: 3,
      stdout: '',
      stderr: expect.stringContaining('No server answers at'),
    });
    expect((await run(['sessions', '--server', '127.0.0.1:9'])).code).toBe(3);
  });

  test('130: interrupted, and so is the turn', async () => {
    const running = run(['-p', script({ hold: 'sigint', say: 'never' }), ...inShared], {
      onStart: (child) => void server.demo.model.gates.reached('sigint').then(() => child.kill('SIGINT')),
    });
    expect(await running).toMatchObject({ code: 130, stdout: '' });
  });
});

describe('other commands', () => {
  test('sessions lists them, show tells about one', async () => {
    const session = await client.sessions.create({ title: 'Shown' });
    await session.send('say listed here');
    expect((await run(['sessions', '--limit', '50'])).stdout).toMatch(
      new RegExp(`${session.id}.*idle +Shown`),
    );
    const { total } = await client.sessions.availablePage({ limit: 1 });
    const one = await run(['sessions', '--limit', '1']);
    expect(one.stdout).toMatch(/^[\da-f-]{36} .*\n$/);
    expect(one.stderr).toBe(`1 of ${total}; --limit ${total} shows all of them.\n`);
    const json = JSON.parse((await run(['sessions', '--json', '--limit', '5000'])).stdout);
    expect(json).toMatchObject({ total, sessions: { length: total } });
    expect(json.sessions).toContainEqual(
      expect.objectContaining({ session_id: session.id, live: expect.objectContaining({ title: 'Shown' }) }),
    );
    expect((await run(['show', session.id])).stdout).toMatch(
      /Title +Shown\nState +idle[\s\S]*completed +say listed here/,
    );
    expect(JSON.parse((await run(['show', session.id, '--json'])).stdout)).toMatchObject({
      title: 'Shown',
      turns: [{ message: 'say listed here' }],
    });
    expect((await run(['show', '7b0f5f3c-55cf-4bd4-9a1f-4fbb0a1f5d5e'])).code).toBe(1);
  });

  test('sessions chooses by text, metadata, status and folder', async () => {
    const session = await client.sessions.create({ title: 'Needle', metadata: { project: 'x', tries: 2 } });
    await session.send('say found in here');
    const ids = async (...flags: string[]): Promise<unknown[]> => {
      const { code, stdout } = await run(['sessions', '--json', ...flags]);
      expect(code).toBe(0);
      return JSON.parse(stdout).sessions.map((each: { session_id: string }) => each.session_id);
    };
    expect(await ids('--query', 'found in here')).toEqual([session.id]);
    expect(await ids('--metadata', '{"project":"x","tries":2}', '--cwd', server.root)).toEqual([session.id]);
    expect(await ids('--metadata', '{"project":"y"}')).toEqual([]);
    await session.close();
    expect(await ids('--query', 'found in here', '--status', 'connected')).toEqual([]);
    expect(await ids('--query', 'found in here', '--status', 'closed')).toEqual([session.id]);
    expect((await run(['sessions', '--query', 'Needle'])).stdout).toMatch(
      new RegExp(`^${session.id} .*closed +Needle .*\n$`),
    );
    expect((await run(['sessions', '--query', 'no such words'])).stdout).toBe('No session matches.\n');
    expect(await run(['sessions', '--metadata', 'project=x'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--metadata must be a JSON object'),
    });
  });

  test('events prints the log; --follow goes on until it is stopped', async () => {
    const session = await client.sessions.create();
    await session.send('say one');
    const { last_seq } = await session.info();
    const all = lines((await run(['events', session.id, '--json'])).stdout);
    expect(all.map(({ seq }) => seq)).toEqual(Array.from({ length: last_seq }, (_, index) => index + 1));
    expect((await run(['events', session.id, '--after', '1'])).stdout).toMatch(/turn\.queued +say one/);

    const running = run(['events', session.id, '--follow', '--after', String(last_seq), '--json'], {
      onStart: (child) =>
        child.stdout?.on('data', (chunk: Buffer) => {
          if (chunk.includes('turn.completed')) child.kill('SIGINT');
        }),
    });
    await session.send('say two');
    const { code, stdout } = await running;
    expect(code).toBe(130);
    expect(lines(stdout)[0]).toMatchObject({ seq: last_seq + 1 });
    expect(lines(stdout).map(({ type }) => type)).toContain('turn.completed');
  });

  test('permissions lists what waits, and answers it', async () => {
    expect((await run(['permissions'])).stdout).toBe('Nothing waits for an answer.\n');
    const turn = shared.send(writeFile('inbox.txt'));
    await expect.poll(async () => (await client.permissions.list()).permissions.length).toBe(1);
    const { permissions } = JSON.parse((await run(['permissions', '--json'])).stdout);
    const id: string = permissions[0].request_id;
    expect((await run(['permissions'])).stdout).toMatch(new RegExp(`^${id} +Write\\(.*inbox\\.txt\\)`));
    expect((await run(['permissions', 'allow', 'nonsense'])).code).toBe(2);
    expect(await run(['permissions', 'allow', id.slice(0, 8)])).toMatchObject({
      code: 0,
      stdout: 'Allowed.\n',
    });
    expect((await turn).is_error).toBe(false);
    expect(existsSync(join(server.root, 'inbox.txt'))).toBe(true);
  });

  test('usage shows tokens and cost, of all or of one', async () => {
    const session = await client.sessions.create();
    await session.send('say counted');
    expect((await run(['usage', session.id])).stdout).toMatch(/^ +Model +Input[\s\S]*All \(1 turn\)/);
    expect(JSON.parse((await run(['usage', '--json'])).stdout).turns).toBeGreaterThan(0);
  });

  test('doctor finds nothing wrong here, and says what is wrong elsewhere', async () => {
    const well = await run(['doctor', '--json']);
    expect(JSON.parse(well.stdout)).toMatchObject({ ok: true });
    expect(well.code).toBe(0);
    const away = await run(['doctor', '--server', 'http://127.0.0.1:9']);
    expect(away).toMatchObject({ code: 3, stdout: expect.stringContaining('✗ Server') });
  });

  test('doctor notices a missing key', async () => {
    const locked = await startTestServer({ env: { AGENT_SERVER_API_KEY: 'secret' } });
    try {
      const env = { CLAUDE_AGENT_SERVER: locked.url };
      const without = await run(['doctor'], { env });
      expect(without.code).toBe(1);
      expect(without.stdout).toMatch(/✗ Key .*CLAUDE_AGENT_API_KEY/);
      expect((await run(['doctor', '--api-key', 'secret'], { env })).code).toBe(0);
      expect((await run(['-p', 'say locked'], { env })).code).toBe(1);
      const withKey = await run(['-p', 'say open'], { env: { ...env, CLAUDE_AGENT_API_KEY: 'secret' } });
      expect(withKey.stdout).toBe('open\n');
    } finally {
      await cleanUp(locked);
    }
  });

  test('completion prints a script that the shell takes', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { code, stdout } = await run(['completion', shell]);
      expect(code).toBe(0);
      expect(stdout).toContain('stream-json');
      const parsed = spawnSync(shell, ['-n'], { input: stdout, encoding: 'utf8' });
      if (parsed.error === undefined) expect(parsed.stderr).toBe('');
    }
    const { stdout } = await run(['completion', 'bash']);
    const ask = `${stdout}\nCOMP_WORDS=(claude-agent --output-format s); COMP_CWORD=2; _claude_agent; echo "\${COMPREPLY[@]}"`;
    expect(spawnSync('bash', ['-c', ask], { encoding: 'utf8' }).stdout.trim()).toBe('stream-json');
  });

  test('help and version', async () => {
    expect((await run(['--help'])).stdout).toContain('Exit codes');
    expect((await run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test('colours only when asked for, as there is no terminal', async () => {
    expect((await run(['usage'])).stdout).not.toContain('\x1b');
    expect((await run(['usage'], { env: { FORCE_COLOR: '1', NO_COLOR: '' } })).stdout).toContain('\x1b[1m');
  });
});
