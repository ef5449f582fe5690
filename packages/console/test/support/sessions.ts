import type { SessionDetail } from 'claude-agent-protocol';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll } from 'vitest';
import {
  cleanUp,
  startTestServer,
  type TestServer,
  type TestServerOptions,
} from '../../../server/test/support/server.ts';
import { type OpenOptions, openConsole, type TestConsole } from './console.ts';

export const KEYS = { user: 'key-of-the-user-1234', viewer: 'key-of-the-viewer-12' };
/** Of a server with somebody who may make sessions, and somebody who may only look. */
export const OPTIONS: TestServerOptions = {
  args: ['--spares', '0'],
  config: {
    api_keys: [
      { id: 'ada', key: KEYS.user, role: 'admin' },
      { id: 'vic', key: KEYS.viewer, role: 'viewer' },
    ],
  },
};

/** The list of sessions in a browser, on one server for a test file. What a test made is gone after it. */
export interface SessionsWorld {
  readonly server: TestServer;
  call<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: T }>;
  /** Without an agent, unless `start` says otherwise. */
  create(body?: object): Promise<string>;
  send(id: string, message: string): Promise<unknown>;
  detail(id: string): Promise<SessionDetail>;
  open(path?: string, options?: OpenOptions): Promise<Page>;
  /** The id of the session whose page is shown. */
  shownSession(page: Page): Promise<string>;
  /** What was made up to here stays after the test. */
  keep(): void;
}

/** @param start starts the server; by default an empty one */
export function openSessions(start = () => startTestServer(OPTIONS)): SessionsWorld {
  let on: TestConsole;
  let server: TestServer;
  const made: string[] = [];
  const pages: Page[] = [];
  const headers = { authorization: `Bearer ${KEYS.user}` };

  beforeAll(async () => {
    server = await start();
    on = await openConsole({ server });
  }, 120_000);
  afterEach(async () => {
    for (const page of pages.splice(0)) await page.context().close();
    for (const id of made.splice(0)) await world.call('DELETE', `/sessions/${id}?erase=true`);
  });
  afterAll(async () => {
    try {
      await on?.close();
    } finally {
      await cleanUp(server);
    }
  });

  const world: SessionsWorld = {
    get server() {
      return server;
    },
    call: (method, path, body) => server.call(method, path, body, { headers }),
    async create(body = {}) {
      const answer = await world.call<{ session_id: string }>('POST', '/sessions', {
        start: 'lazy',
        ...body,
      });
      made.push(answer.body.session_id);
      return answer.body.session_id;
    },
    send: (id, message) => world.call('POST', `/sessions/${id}/messages`, { message }),
    detail: async (id) => (await world.call<SessionDetail>('GET', `/sessions/${id}`)).body,
    async open(path = 'sessions', { key = KEYS.user, ...more } = {}) {
      const page = await on.open(path, { key, ...more });
      page.setDefaultTimeout(10_000);
      pages.push(page);
      return page;
    },
    async shownSession(page) {
      await page.waitForURL(/\/sessions\/[0-9a-f-]{36}$/);
      const id = page.url().slice(-36);
      made.push(id);
      return id;
    },
    keep() {
      made.length = 0;
    },
  };
  return world;
}

export const rows = (page: Page) => page.getByRole('list', { name: 'Sessions' }).getByRole('listitem');
export const row = (page: Page, title: string) => rows(page).filter({ hasText: title });

/** Chooses from the menu of a session. */
export async function choose(page: Page, title: string, item: string): Promise<void> {
  await page.getByRole('button', { name: `Actions of ${title}`, exact: true }).click();
  await page.getByRole('menuitem', { name: item, exact: true }).click();
}
