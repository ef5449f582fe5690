import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { post } from './testing/gateway.ts';

const children: ChildProcess[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill();
    await ended;
  }
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const main = new URL('./main.ts', import.meta.url).pathname;

function run(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['--conditions=claude-agent-source', main, ...args], {
    env: { PATH: process.env.PATH, ...env },
  });
  children.push(child);
  let output = '';
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const listening = new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const url = /^listening on (http:\S+)\n/.exec(output)?.[1];
      if (url) resolve(url);
    });
    child.once('exit', () => reject(new Error(errors)));
  });
  listening.catch(() => {});
  const exit = new Promise<{ code: number | null; output: string; errors: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, output, errors })),
  );
  return { listening, exit, child };
}

test('the program prints where it listens, answers, and ends on SIGTERM', async () => {
  const { listening, exit, child } = run(['--port', '0', '--demo']);
  const url = await listening;
  expect((await fetch(url, { method: 'HEAD' })).status).toBe(200);
  const answer = await post(url, {
    model: 'gpt-4',
    max_tokens: 50,
    messages: [{ role: 'user', content: 'Hi' }],
  });
  expect(await answer.json()).toMatchObject({ type: 'message' });
  child.kill('SIGTERM');
  expect((await exit).code).toBe(0);
});

test('`providers` says which key is missing', async () => {
  const { exit } = run(['providers'], { COHERE_API_KEY: 'k' });
  const { code, output } = await exit;
  expect(code).toBe(0);
  expect(output).toMatch(/^cohere .* ready$/m);
  expect(output).toMatch(/^openai .* set OPENAI_API_KEY$/m);
  expect(output).toMatch(/^\d{3} providers, \d+ ready$/m);
});

test('what is wrong at the start is said in one line, and the program ends', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gateway-main-'));
  folders.push(folder);
  const config = join(folder, 'gateway.json');
  writeFileSync(config, '{"providers":{"x":{"base_url":"nonsense"}}}');
  const wrong = await run(['--config', config]).exit;
  expect([wrong.code, wrong.errors]).toEqual([1, expect.stringContaining('base_url')]);
  expect((await run(['--port', '99999']).exit).errors).toContain('--port 99999 is not a port');
  expect((await run(['replay']).exit).errors).toContain('replay --cassette <file>');
  for (const [args, told] of [
    [['--port', ''], '--port  is not a port'],
    [['--host', ''], '--host needs an address'],
    [['--host', '0.0.0.0', '--port', '0'], 'can be reached from other machines'],
    [['serve', 'extra'], 'serve takes no extra'],
    [['--wrong'], '--log-requests'],
    [['--cassette', 'x'], '--cassette goes with record or replay'],
    [['record', '--cassette', join(folder, 'no', 'tape')], 'cannot use the cassette'],
  ] as const) {
    const ended = await run([...args]).exit;
    expect([ended.code, ended.errors]).toEqual([1, expect.stringContaining(told)]);
  }
  for (const [file, told] of [
    [{ models: { a: 'nosuch/model' } }, 'models.a: model: nosuch/model. No provider is known'],
    [{ models: { a: 'b', b: 'a' } }, 'models.a: model: a. No provider is known'],
    [{ default_model: 'nosuch' }, 'default_model: model: nosuch'],
    [
      {
        keys: [
          { id: 'a', key: 'long-secret' },
          { id: 'a', key: 'other-secret' },
        ],
      },
      'an `id` of its own',
    ],
  ] as const) {
    writeFileSync(config, JSON.stringify(file));
    const ended = await run(['--config', config, '--port', '0']).exit;
    expect([ended.code, ended.errors]).toEqual([1, expect.stringContaining(told)]);
  }
  const first = run(['--port', '0']);
  const url = await first.listening;
  const busy = await run(['--port', new URL(url).port]).exit;
  expect([busy.code, busy.errors]).toEqual([1, expect.stringContaining('is in use')]);
  const port = new URL(url).port;
  first.child.kill();
  await first.exit;
  const own = await run(['--port', port], { ANTHROPIC_BASE_URL: `http://localhost:${port}` }).exit;
  expect([own.code, own.errors]).toEqual([1, expect.stringContaining('is this gateway itself')]);
});

test('what is missing for a configured model is said at the start, and the rest works', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gateway-main-'));
  folders.push(folder);
  const config = join(folder, 'gateway.json');
  const models = { haiku: 'groq/llama-3.3-70b-versatile', tiny: 'demo' };
  writeFileSync(config, `\uFEFF${JSON.stringify({ models })}`);
  const { listening, exit, child } = run(['--config', config, '--port', '0', '--log-requests']);
  const url = await listening;
  const asked = { model: 'tiny', max_tokens: 50, messages: [{ role: 'user', content: 'Hi' }] };
  expect((await post(url, asked)).status).toBe(200);
  // Not listed, but served.
  expect(await (await fetch(`${url}/v1/models/demo`)).json()).toMatchObject({ type: 'model', id: 'demo' });
  expect((await fetch(`${url}/v1/models/%E0%A4%A`)).status).toBe(400);
  child.kill('SIGTERM');
  const { output, errors } = await exit;
  expect(errors).toContain('models.haiku: The model llama-3.3-70b-versatile is served by');
  expect(errors).toContain('GROQ_API_KEY');
  const [, line = ''] = output.split('\n');
  expect(JSON.parse(line)).toMatchObject({ requested_model: 'tiny', provider: 'demo', status: 200 });
});

test('a gateway without keys does not listen to web pages', async () => {
  const url = await run(['--port', '0', '--demo']).listening;
  const { port } = new URL(url);
  const status = (headers: Record<string, string>) =>
    new Promise<number | undefined>((resolve, reject) => {
      const outgoing = request(`${url}/v1/models`, { headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      outgoing.on('error', reject);
      outgoing.end();
    });
  expect(await status({ origin: 'https://evil.example' })).toBe(403);
  expect(await status({ host: 'evil.example' })).toBe(403);
  expect(await status({ host: `localhost:${port}`, origin: `http://localhost:${port}` })).toBe(200);
});

test('`--version` is that of the package', async () => {
  const { code, output } = await run(['--version']).exit;
  expect([code, output]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\n$/)]);
});
