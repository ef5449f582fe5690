/** The web pages that bench/console.ts compares: ours, and opencode's, each on a server of its own with the same model. */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startProgram } from './child.ts';
import { agentEnvironment } from './conversations.ts';
import { fillStore } from './fill.ts';

/** A conversation of one side. */
export interface WebSession {
  url: string;
  /** Settles when the message is accepted. */
  send(text: string): Promise<void>;
  isOver(): Promise<boolean>;
  /** The server's stream that the page reads too. */
  events: string;
}

/** One side of the comparison. */
export interface Side {
  name: string;
  /** The page with the list of sessions, and what is there when it can be used. */
  list: { url: string; ready: string; row: string };
  /** What is there when a message can be written. */
  editor: string;
  session(): Promise<WebSession>;
  stop(): Promise<void>;
}

async function request<T>(url: string, method: string, body?: object, headers = {}): Promise<T> {
  const answer = await fetch(url, {
    method,
    headers: { ...(body && { 'content-type': 'application/json' }), ...headers },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${text}`);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

/** A folder to work in, with a file that the model's calls read. */
function makeWork(base: string): string {
  const work = join(base, 'work');
  mkdirSync(work, { recursive: true });
  writeFileSync(join(work, 'notes.txt'), 'one line of a few words\n'.repeat(200));
  return work;
}

export async function startOurs(base: string, model: string, sessions: number): Promise<Side> {
  const work = makeWork(base);
  const home = join(base, 'home');
  await fillStore(home, sessions, work);
  const server = await startProgram('packages/server/src/main.ts', {
    args: ['--port', '0', '--home', home, '--root', work],
    env: agentEnvironment(base, model),
  });
  return {
    name: 'this console',
    list: {
      url: `${server.url}/console/`,
      ready: 'main a[href*="sessions/"]',
      row: 'main a[href*="sessions/"]',
    },
    editor: 'main textarea:enabled',
    async session() {
      const made = await request<{ session_id: string }>(`${server.url}/sessions`, 'POST', { cwd: work });
      const at = `${server.url}/sessions/${made.session_id}`;
      return {
        url: `${server.url}/console/sessions/${made.session_id}`,
        events: `${at}/events`,
        async send(message) {
          await request(`${at}/messages`, 'POST', { message }, { prefer: 'respond-async' });
        },
        isOver: async () =>
          !['running', 'waiting'].includes((await request<{ state: string }>(`${at}/status`, 'GET')).state),
      };
    },
    stop: server.stop,
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

/** @param program opencode's, of the package `opencode-linux-x64`; it is no dependency of ours */
export async function startOpencode(
  program: string,
  base: string,
  model: string,
  sessions: number,
): Promise<Side> {
  const work = makeWork(base);
  const config = join(base, '.config', 'opencode');
  mkdirSync(config, { recursive: true });
  const limit = { context: 200_000, output: 32_000 };
  const anthropic = {
    options: { baseURL: `${model}/v1`, apiKey: 'bench' },
    models: { demo: { name: 'demo', tool_call: true, limit } },
  };
  writeFileSync(
    join(config, 'opencode.json'),
    JSON.stringify({
      autoupdate: false,
      share: 'disabled',
      provider: { anthropic },
      model: 'anthropic/demo',
      small_model: 'anthropic/demo',
      permission: { '*': 'allow' },
    }),
  );
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(program, ['serve', '--port', String(port)], {
    cwd: work,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: base,
      OPENCODE_DISABLE_AUTOUPDATE: '1',
      OPENCODE_DISABLE_MODELS_FETCH: '1',
    },
    stdio: 'ignore',
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const query = `directory=${encodeURIComponent(work)}`;
  const make = (title: string): Promise<{ id: string }> =>
    request(`${url}/session?${query}`, 'POST', { title });
  for (let tries = 0; ; tries++) {
    try {
      await request(`${url}/session?${query}`, 'GET');
      break;
    } catch (error) {
      if (tries > 200) throw error;
      await sleep(200);
    }
  }
  for (let n = 0; n < sessions; n += 20)
    await Promise.all(Array.from({ length: Math.min(20, sessions - n) }, (_, k) => make(`session ${n + k}`)));
  const project = Buffer.from(work).toString('base64url');
  return {
    name: 'opencode',
    list: { url: `${url}/`, ready: 'input:enabled', row: '[href*="/session/"]' },
    editor: '[data-component="prompt-input"]',
    async session() {
      const { id } = await make('measured');
      const at = `${url}/session/${id}`;
      return {
        url: `${url}/${project}/session/${id}`,
        events: `${url}/event?${query}`,
        async send(text) {
          const asked = { providerID: 'anthropic', modelID: 'demo' };
          await request(`${at}/prompt_async?${query}`, 'POST', {
            model: asked,
            parts: [{ type: 'text', text }],
          });
        },
        async isOver() {
          const states = await request<Record<string, { type: string }>>(
            `${url}/session/status?${query}`,
            'GET',
          );
          return (states[id]?.type ?? 'idle') === 'idle';
        },
      };
    },
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}
