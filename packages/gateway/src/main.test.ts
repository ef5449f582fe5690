import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { post } from './testing/gateway.ts';

const children: ChildProcess[] = [];
const folders: string[] = [];
// After all tests, because some run concurrently.
afterAll(async () => {
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
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, ...env },
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

test('the program prints its address, answers, and ends on SIGTERM', async () => {
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

/** The program's exit code and error output. */
async function endOf(args: string[], env: Record<string, string> = {}): Promise<[number | null, string]> {
  const { code, errors } = await run(args, env).exit;
  return [code, errors];
}

function configFile(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'gateway-main-'));
  folders.push(folder);
  const path = join(folder, 'gateway.json');
  writeFileSync(path, text);
  return path;
}

test.concurrent.each([
  [['--port', '99999'], '--port 99999 is not a port'],
  [['--port', ''], '--port  is not a port'],
  [['--host', ''], '--host needs an address'],
  [['--host', '0.0.0.0', '--port', '0'], 'can be reached from other machines'],
  [['serve', 'extra'], 'serve takes no extra'],
  [['--wrong'], '--log-requests'],
  [['--cassette', 'x'], '--cassette is an option of record and replay'],
  [['replay'], 'replay --cassette <file>'],
  [['record', '--cassette', '/no/such/folder/tape'], 'cannot use the cassette'],
])('%j ends the program with a sentence', async (args, told) => {
  expect(await endOf(args)).toEqual([1, expect.stringContaining(told)]);
});

test.concurrent.each([
  ['{"providers":{"x":{"base_url":"nonsense"}}}', 'base_url'],
  ['{"models":{"a":"nosuch/model"}}', 'models.a: model: nosuch/model. No provider is known'],
  ['{"models":{"a":"b","b":"a"}}', 'models.a: model: a. No provider is known'],
  ['{"default_model":"nosuch"}', 'default_model: model: nosuch'],
  ['{"keys":[{"id":"a","key":"long-secret"},{"id":"a","key":"other-secret"}]}', 'give each its own id'],
])('a configuration of %s ends the program with a sentence', async (text, told) => {
  expect(await endOf(['--port', '0', '--config', configFile(text)])).toEqual([
    1,
    expect.stringContaining(told),
  ]);
});

test('a port in use, and an upstream that is the gateway itself, are errors at startup', async () => {
  const first = run(['--port', '0']);
  const { port } = new URL(await first.listening);
  expect(await endOf(['--port', port])).toEqual([1, expect.stringContaining('is in use')]);
  first.child.kill();
  await first.exit;
  const itself = { ANTHROPIC_BASE_URL: `http://localhost:${port}` };
  expect(await endOf(['--port', port], itself)).toEqual([
    1,
    expect.stringContaining('is this gateway itself'),
  ]);
});

test('a configured model that lacks its key is a warning at startup, and the rest works', async () => {
  const models = { haiku: 'groq/llama-3.3-70b-versatile', tiny: 'demo' };
  const config = configFile(`\uFEFF${JSON.stringify({ models })}`);
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

test('a gateway without keys refuses web pages', async () => {
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

test('`--version` prints the version of the package', async () => {
  const { code, output } = await run(['--version']).exit;
  expect([code, output]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\n$/)]);
});
