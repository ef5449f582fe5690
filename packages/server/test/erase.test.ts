import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import type { SessionCreated, SessionEvent, TotalUsage } from 'claude-agent-protocol';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { firstFrame, sseFrames } from './support/api.ts';
import { conversationsOn } from './support/conversations.ts';
import { createInProcess, type InProcess } from './support/in-process.ts';
import { sampleEvent } from './support/samples.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => cleanUp(server));

const { cleared } = conversationsOn(() => server);

/** Files below the home and the agent's folder with this text in their name or their content. */
const traces = (text: string): string[] => {
  const folders = [server.home, join(server.userHome, '.claude')];
  const script = '(grep -rlF -- "$1" "$2" "$3"; find "$2" "$3" -name "*$1*") || true';
  const found = execFileSync('sh', ['-c', script, 'sh', text, ...folders], { encoding: 'utf8' });
  return found.split('\n').filter((line) => line !== '');
};

test('an erased session is gone everywhere: 404, no files, its readers ended; its sums remain', async () => {
  const { id, conversation } = await cleared();
  await server.send(id, 'run echo a very private word');
  const usage = async () => (await server.call<TotalUsage>('GET', '/usage')).body;
  await server.call('GET', '/sessions/available');
  const before = await usage();
  expect(traces(conversation).length).toBeGreaterThan(2);
  const reader = await server.openStream(`/sessions/${id}/events`);
  expect((await reader.next()).value).toMatchObject({ event: 'session.created' });
  const told = firstFrame(await server.openStream('/events'), ({ event }) => event === 'session.erased');

  const erased = await server.call('DELETE', `/sessions/${id}?erase=true`);
  expect(erased).toMatchObject({ status: 200, body: { status: 'erased' } });

  let last = '';
  for await (const { event } of reader) last = event;
  expect(last).toBe('session.erased');
  expect((await told).data).toMatchObject({ session_id: id });
  for (const path of ['', '/events', '/messages', '/turns', '/usage', '/status']) {
    expect((await server.call('GET', `/sessions/${id}${path}`)).status, path).toBe(404);
  }
  for (const gone of [id, conversation]) {
    const resume = await server.call('POST', '/sessions', { resume_session_id: gone });
    expect(resume).toMatchObject({ status: 404, body: { code: 'session_not_found' } });
  }
  const twice = await server.call('DELETE', `/sessions/${id}?erase=true`);
  expect(twice).toMatchObject({ status: 404, body: { code: 'session_not_found' } });
  const { body } = await server.call<{ events: SessionEvent[] }>('GET', '/events?after=0', undefined, {
    headers: { accept: 'application/json' },
  });
  expect(body.events.filter((event) => event.session_id === id)).toEqual([]);
  expect(await usage()).toEqual(before);
  for (const name of ['server.db', 'transcripts.db']) {
    const db = new DatabaseSync(join(server.home, name));
    // Otherwise the pages of the last minutes are still in the write-ahead log. While the server writes, it says "busy".
    const checkpoint = db.prepare('pragma wal_checkpoint(truncate)');
    await vi.waitFor(() => expect(checkpoint.get()).toMatchObject({ busy: 0 }), 10_000);
    db.close();
  }
  expect(traces(conversation)).toEqual([]);
  expect(traces('a very private word')).toEqual([]);
});

test('a session with a running turn is interrupted, then erased', async () => {
  const { session_id: id } = await server.createSession();
  const sent = server.call('POST', `/sessions/${id}/messages`, { message: 'run sleep 60' });
  await firstFrame(
    await server.openStream(`/sessions/${id}/events`),
    ({ event }) => event === 'turn.started',
  );
  expect((await server.call('DELETE', `/sessions/${id}?erase=true`)).status).toBe(200);
  expect((await sent).body).toMatchObject({ error: { code: 'session_closed' } });
  expect((await server.call('GET', `/sessions/${id}`)).status).toBe(404);
});

test('a large session is erased in small steps: others are served meanwhile, and nobody finds it any more', async () => {
  const inside = createInProcess();
  try {
    const { id, call } = await filled(inside, 20_000);
    const { body: stream } = await call(`/sessions/${id}/events`, 'GET', { accept: 'text/event-stream' });
    const erased = call(`/sessions/${id}?erase=true`, 'DELETE');
    while (await inside.store.getSession(id)) await setImmediate();
    expect((await inside.store.readEvents(id, 0, 1)).length).toBe(1);
    expect((await call(`/sessions/${id}`)).status).toBe(404);
    expect((await (await call('/sessions')).json()).sessions).toEqual([]);
    expect((await erased).status).toBe(200);
    // A reader that was in the middle of its replay: the end says why.
    const frames: string[] = [];
    for await (const { event } of sseFrames(stream as ReadableStream<Uint8Array<ArrayBuffer>>))
      frames.push(event);
    expect(frames.length).toBeLessThan(20_000);
    expect(frames.at(-1)).toBe('session.erased');
  } finally {
    await inside.close();
  }
});

test('an erasure that failed half-way is finished by the next request, or by the next start', async () => {
  let broken = false;
  const inside = createInProcess({
    store: (real) => ({
      ...real,
      write: async (changes) => {
        if (broken && changes.some(({ kind }) => kind === 'erase-rows')) throw new Error('no room');
        return real.write(changes);
      },
    }),
  });
  try {
    const [first, second] = [await filled(inside, 500), await filled(inside, 500)];
    broken = true;
    for (const { id, call } of [first, second]) {
      expect((await call(`/sessions/${id}?erase=true`, 'DELETE')).status).toBe(503);
      expect((await call(`/sessions/${id}`)).status).toBe(404);
    }
    broken = false;
    expect((await first.call(`/sessions/${first.id}?erase=true`, 'DELETE')).status).toBe(200);
    expect(await inside.store.hiddenSessions()).toEqual([{ id: second.id, why: 'erasing' }]);
    inside.sessions.resumeQueued();
    await expect.poll(() => inside.store.hiddenSessions()).toEqual([]);
    expect(await inside.store.readEvents(second.id, 0, 1)).toEqual([]);
  } finally {
    await inside.close();
  }
});

/** A session with so many events, on a server of its own. */
async function filled(inside: InProcess, events: number) {
  const call = (path: string, method = 'GET', headers = {}): Promise<Response> =>
    inside.fetch(
      new Request(`http://127.0.0.1${path}`, {
        method,
        headers: { host: '127.0.0.1', 'content-type': 'application/json', ...headers },
        ...(method === 'POST' && { body: '{}' }),
      }),
    );
  const { session_id: id } = (await (await call('/sessions', 'POST')).json()) as SessionCreated;
  const json = JSON.stringify({ type: 'assistant', pad: 'x'.repeat(300) });
  await inside.store.write(Array.from({ length: events }, () => sampleEvent(id, { json })));
  return { id, call };
}
