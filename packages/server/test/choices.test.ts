import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Folder, OfferedModel } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

// What a person can choose for a new session: folders within the roots, and models with their prices.

const KEYS = { free: 'key-of-free-12345', acme: 'key-of-acme-1234', viewer: 'key-of-viewer-12' };

let server: TestServer;
const acmeRoot = realpathSync(mkdtempSync(join(tmpdir(), 'agent-server-acme-')));
const outside = realpathSync(mkdtempSync(join(tmpdir(), 'agent-server-outside-')));
beforeAll(async () => {
  server = await startTestServer({
    args: ['--spares', '0', '--root', acmeRoot],
    config: {
      model: 'demo',
      gateway: {
        providers: {
          openai: { api_key: 'sk-none' },
          own: {
            api: 'openai-chat',
            base_url: 'http://127.0.0.1:9/v1',
            api_key: 'none',
            models: { small: { context: 32_000, prices: { input: 0.5, output: 1.5 } } },
          },
        },
      },
      api_keys: [
        { id: 'free', key: KEYS.free, tenant: 'free', role: 'user' },
        { id: 'acme', key: KEYS.acme, tenant: 'acme', role: 'user' },
        { id: 'viewer', key: KEYS.viewer, tenant: 'acme', role: 'viewer' },
      ],
      tenants: { acme: { policy: { roots: [acmeRoot], models: ['demo', 'own/*'] } } },
    },
  });
  for (const path of ['Beta', 'alpha/deep', '.git', 'gamma'])
    mkdirSync(join(server.root, path), { recursive: true });
  mkdirSync(join(outside, 'secret'));
  writeFileSync(join(server.root, 'file.txt'), '');
  symlinkSync(outside, join(server.root, 'leads-out'));
  symlinkSync(join(server.root, 'alpha'), join(server.root, 'leads-in'));
  symlinkSync('nowhere', join(server.root, 'dangling'));
});
afterAll(async () => {
  await cleanUp(server);
  for (const folder of [acmeRoot, outside]) rmSync(folder, { recursive: true });
});

interface Page {
  path: string | null;
  parent: string | null;
  folders: Folder[];
  next_cursor: string | null;
  code?: string;
}
const get = <T>(who: keyof typeof KEYS, path: string) =>
  server.call<T>('GET', path, undefined, { headers: { authorization: `Bearer ${KEYS[who]}` } });
const folders = async (path?: string, more = '', who: keyof typeof KEYS = 'free') =>
  get<Page>(who, `/folders?${path === undefined ? '' : `path=${encodeURIComponent(path)}`}${more}`);
const names = ({ body }: { body: Page }): string[] => body.folders.map(({ name }) => name);

describe('GET /folders', () => {
  test('without a path gives the roots that the caller may use', async () => {
    const roots = (who: keyof typeof KEYS) => folders(undefined, '', who);
    expect((await roots('free')).body).toMatchObject({
      path: null,
      parent: null,
      folders: [server.root, acmeRoot].map((path) => ({ name: path, path })),
    });
    expect((await roots('acme')).body.folders).toEqual([{ name: acmeRoot, path: acmeRoot }]);
  });

  test('gives the folders in a folder by name, without files and those that begin with a dot', async () => {
    const { body } = await folders(server.root);
    expect(body).toMatchObject({ path: server.root, parent: null, next_cursor: null });
    expect(body.folders).toEqual(
      ['alpha', 'Beta', 'gamma', ['leads-in', 'alpha']].map((each) => {
        const [name, target] = typeof each === 'string' ? [each, each] : each;
        return { name, path: join(server.root, target ?? '') };
      }),
    );
    expect((await folders(join(server.root, 'alpha', 'deep'))).body).toEqual({
      path: join(server.root, 'alpha', 'deep'),
      parent: join(server.root, 'alpha'),
      folders: [],
      next_cursor: null,
      has_more: false,
    });
  });

  test('gives hidden ones when asked', async () => {
    expect(names(await folders(server.root, '&hidden=true'))).toContain('.git');
  });

  test('is read in pages', async () => {
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: { body: Page } = await folders(server.root, `&limit=3${cursor && `&cursor=${cursor}`}`);
      expect(page.body.folders.length).toBeLessThanOrEqual(3);
      seen.push(...names(page));
      cursor = page.body.next_cursor;
    }
    expect(seen).toEqual(['alpha', 'Beta', 'gamma', 'leads-in']);
    expect((await folders(server.root, '&cursor=*')).body.code).toBe('cursor_invalid');
  });

  test.each([
    ['a folder outside the roots', () => outside],
    ['one that is not there, outside', () => join(outside, 'nothing')],
    ['a link that leads out', () => join(server.root, 'leads-out')],
    ['a way up', () => join(server.root, '..')],
    ['a way through a link', () => `${server.root}/leads-out/secret`],
  ])('refuses %s', async (_, path) => {
    const { status, body } = await folders(path());
    expect([status, body.code]).toEqual([403, 'cwd_not_allowed']);
  });

  test("refuses what is inside the server's roots but not the tenant's", async () => {
    const { status, body } = await folders(server.root, '', 'acme');
    expect([status, body.code]).toEqual([403, 'cwd_not_allowed']);
  });

  test('refuses a file, and callers who cannot make sessions', async () => {
    expect((await folders(join(server.root, 'file.txt'))).body.code).toBe('cwd_not_found');
    expect((await folders(acmeRoot, '', 'viewer')).status).toBe(403);
  });
});

describe('GET /models', () => {
  type Models = { models: OfferedModel[]; default_model: string | null; next_cursor: string | null };
  const all = async (who: keyof typeof KEYS) => (await get<Models>(who, '/models?limit=1000')).body;

  test('gives what new sessions may name, with prices and windows', async () => {
    const { models, default_model } = await all('free');
    expect(default_model).toBe('demo');
    const byId = new Map(models.map((model) => [model.id, model]));
    expect(byId.get('own/small')).toEqual({
      id: 'own/small',
      kind: 'model',
      needs_proxy: true,
      context_window: 32_000,
      price: { input: 0.5, output: 1.5 },
    });
    expect(byId.get('openai/gpt-4o')).toMatchObject({ price: { input: 2.5, output: 10 } });
    expect(byId.get('demo')).toMatchObject({ needs_proxy: false, price: { input: 0, output: 0 } });
    // The agent has a key of its own here.
    expect(byId.get('opus')).toEqual({
      id: 'opus',
      kind: 'alias',
      needs_proxy: false,
      context_window: null,
      price: null,
    });
  });

  test("gives only those that the tenant's policy allows", async () => {
    expect((await all('acme')).models.map(({ id }) => id)).toEqual(['own/small', 'demo']);
  });

  test('is read in pages', async () => {
    const { body } = await get<Models>('acme', '/models?limit=1');
    expect(body).toMatchObject({ models: [{ id: 'own/small' }], next_cursor: '1' });
    const next = await get<Models>('acme', `/models?limit=1&cursor=${body.next_cursor}`);
    expect(next.body).toMatchObject({ models: [{ id: 'demo' }], next_cursor: null });
  });
});
