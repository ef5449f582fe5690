import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
  const first = run(['--port', '0']);
  const url = await first.listening;
  const self = await run(['--port', '0', '--config', config], {}).exit;
  expect(self.code).toBe(1);
  const port = new URL(url).port;
  first.child.kill();
  await first.exit;
  const own = await run(['--port', port], { ANTHROPIC_BASE_URL: `http://localhost:${port}` }).exit;
  expect([own.code, own.errors]).toEqual([1, expect.stringContaining('is this gateway itself')]);
});
