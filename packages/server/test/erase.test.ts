import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { SessionEvent, TotalUsage } from 'claude-agent-protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { firstFrame } from './support/api.ts';
import { conversationsOn } from './support/conversations.ts';
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

  const erased = await server.call('DELETE', `/sessions/${id}?erase=true`);
  expect(erased).toMatchObject({ status: 200, body: { status: 'erased' } });

  let last = '';
  for await (const { event } of reader) last = event;
  expect(last).toBe('session.closed');
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
    // Otherwise the pages of the last minutes are still in the write-ahead log.
    db.exec('pragma wal_checkpoint(truncate)');
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
