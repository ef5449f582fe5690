import { type EndpointName, endpoints } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createInProcess, type InProcess } from './support/in-process.ts';
import { samplePermission } from './support/samples.ts';

type Page = Record<string, unknown> & { next_cursor: string | null; has_more: boolean };

let server: InProcess;
let session: string;
beforeAll(async () => {
  server = createInProcess();
  session = (await post<{ session_id: string }>('/sessions', {})).session_id;
  // Two letters, the first an "a": the agent only answers (`fake-agent.ts`).
  for (const message of ['aa', 'ab', 'ac']) await post(`/sessions/${session}/messages`, { message });
  for (let more = 0; more < 2; more++) await post('/sessions', {});
  for (let n = 0; n < 3; n++) {
    const permission = samplePermission(session, { id: `request-${n}` });
    await server.store.write([{ kind: 'insert-permission', permission }]);
  }
});
afterAll(() => server.close());

async function call<T>(method: string, path: string, body?: object): Promise<T> {
  const response = await server.fetch(
    new Request(`http://127.0.0.1:8000${path}`, {
      method,
      headers: { host: '127.0.0.1:8000', accept: 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    }),
  );
  expect(response.status, await response.clone().text()).toBe(200);
  return (await response.json()) as T;
}
const post = <T>(path: string, body: object): Promise<T> => call('POST', path, body);
const pathOf = (name: EndpointName): string => endpoints[name].path.replace('{session_id}', session);

/** Every list with pages: its items' name, and what tells one item from another. */
const LISTS = [
  ['listSessions', 'sessions', 'session_id'],
  ['listTurns', 'turns', 'turn_id'],
  ['listMessages', 'messages', 'uuid'],
  ['sessionEvents', 'events', 'seq'],
  ['allEvents', 'events', 'at'],
  ['listPermissions', 'permissions', 'request_id'],
] as const;

describe.each(LISTS)('%s', (name, items, id) => {
  const read = async (query: string): Promise<Page> => call('GET', `${pathOf(name)}?${query}`);
  const idsOf = (page: Page): unknown[] => (page[items] as Record<string, unknown>[]).map((item) => item[id]);

  test('is read by next_cursor without a hole or a repetition, until it is null', async () => {
    const all = idsOf(await read('limit=1000'));
    expect(all.length).toBeGreaterThan(2);
    const seen: unknown[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: Page = await read(`limit=2${cursor && `&cursor=${cursor}`}`);
      expect(page.has_more).toBe(page.next_cursor !== null);
      expect(idsOf(page).length).toBeLessThanOrEqual(2);
      seen.push(...idsOf(page));
      cursor = page.next_cursor;
    }
    expect(seen).toEqual(all);
  });

  test('whose end a page meets exactly has no further page', async () => {
    const all = idsOf(await read('limit=1000'));
    expect(await read(`limit=${all.length}`)).toMatchObject({ next_cursor: null, has_more: false });
  });
});

test.each(['listTasks', 'listCommands', 'listModels', 'listAgents', 'listMcp'] as const)(
  '%s has the form of a page too',
  async (name) => {
    expect(await call('GET', pathOf(name))).toMatchObject({ next_cursor: null, has_more: false });
  },
);

test.each(['listTurns', 'listMessages', 'listPermissions', 'listSessions'] as const)(
  '%s refuses a cursor that it did not give',
  async (name) => {
    const response = await server.fetch(
      new Request(`http://127.0.0.1:8000${pathOf(name)}?cursor=x`, { headers: { host: '127.0.0.1:8000' } }),
    );
    expect(await response.json()).toMatchObject({ status: 422, code: 'cursor_invalid' });
  },
);
