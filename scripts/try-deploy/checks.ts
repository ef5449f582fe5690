import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, DockerEngine, Request } from './engine.ts';

export const KEY = 'k'.repeat(32);
const WAIT_MS = 120_000;

/** Does something, and says how it went. */
export type Step = (what: string, work: () => Promise<void> | void) => Promise<void>;

/** Calls of a server at one address. */
export interface Calls {
  call(path: string, request?: Request): Promise<Answer>;
  createSession(): Promise<string>;
  /** Sends a message and returns what the model has said. */
  send(session: string, message: string): Promise<string>;
}

export function createCalls(engine: DockerEngine, url: string): Calls {
  const call = (path: string, request: Request = {}): Promise<Answer> =>
    engine.request(url + path, { key: KEY, ...request });
  return {
    call,
    async createSession() {
      const { status, body } = await call('/sessions', { body: { cwd: '/work' } });
      assert.equal(status, 200, body);
      return (JSON.parse(body) as { session_id: string }).session_id;
    },
    async send(session, message) {
      const { status, body } = await call(`/sessions/${session}/messages`, { body: { message } });
      assert.equal(status, 200, body);
      const { messages } = JSON.parse(body) as { messages: { type: string; content?: string }[] };
      return messages.flatMap(({ type, content }) => (type === 'text' ? [content ?? ''] : [])).join('\n');
    },
  };
}

/** Repeats until it is true. @throws Error with what was waited for */
export async function until(what: string, isTrue: () => Promise<boolean> | boolean): Promise<void> {
  for (const end = Date.now() + WAIT_MS; !(await isTrue()); await sleep(500)) {
    if (Date.now() > end) throw new Error(`waited ${WAIT_MS / 1000} s for: ${what}`);
  }
}

/** The page of the console, and the first script that it names. */
export async function checkConsole({ call }: Calls): Promise<void> {
  const page = await call('/console/');
  assert.equal(page.status, 200);
  const script = /<script[^>]+src="\.?\/?([^"]+\.js)"/.exec(page.body)?.[1];
  assert.ok(script, page.body);
  assert.equal((await call(`/console/${script.replace(/^console\//, '')}`)).status, 200);
}
