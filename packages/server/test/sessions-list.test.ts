import { randomUUID } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionCreated } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { script } from './support/api.ts';
import { at, type Calls, callsOver, textOf } from './support/calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { transcriptOf } from './support/transcripts.ts';
import { TRANSPORTS, type Transport } from './support/transports.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => cleanUp(server));
describe.each(TRANSPORTS)('$way', ({ over }) => {
  let api: Transport;
  let calls: Calls;
  /** For tests that leave a session as they found it. */
  let shared: SessionCreated;
  beforeAll(async () => {
    api = over(server);
    calls = callsOver(api);
    shared = await calls.create();
  });

  describe('GET /sessions', () => {
    test('lists the newest activity first, page by page', async () => {
      const older = shared.session_id;
      const { session_id: newer } = await calls.create();
      await calls.send(older, 'say now I am the newest');
      type List = { sessions: Record<string, unknown>[]; next_cursor: string | null };
      const list = (query: Record<string, string | number>) =>
        api.call<List>('GET', '/sessions', { query }).then((answer) => answer.body);

      const first = await list({ limit: 1 });
      expect(first.sessions).toEqual([
        expect.objectContaining({
          session_id: older,
          created_at: shared.created_at,
          last_activity: expect.stringMatching(/Z$/),
          status: 'connected',
          message_count: (await calls.status(older)).message_count,
        }),
      ]);
      const second = await list({ limit: 1, cursor: first.next_cursor ?? '' });
      expect(second.sessions[0]).toMatchObject({ session_id: newer, message_count: 0 });
      await calls.close(newer);
      expect((await list({})).sessions.map((session) => session.session_id)).not.toContain(newer);
    });
  });

  test('a list has the sessions of a state, and they are counted', async () => {
    const { session_id: asleep } = await calls.create({ start: 'lazy' });
    const { session_id: waiting } = await calls.create({ start: 'lazy' });
    const message = script({ tools: [{ name: 'Bash', input: { command: 'touch a' } }] }, { say: 'done' });
    await api.call('POST', '/sessions/{session_id}/messages', {
      ...at(waiting),
      body: { message },
      headers: { prefer: 'respond-async' },
    });
    const inState = async (query: Record<string, string>): Promise<string[]> => {
      const { status, body } = await api.call<{ sessions: { session_id: string }[] }>('GET', '/sessions', {
        query,
      });
      expect([status, body]).toEqual([200, expect.anything()]);
      return body.sessions.map(({ session_id }) => session_id).filter((id) => [asleep, waiting].includes(id));
    };
    const counts = async () => (await api.call<Record<string, number>>('GET', '/sessions/states')).body;
    await vi.waitFor(async () => expect(await inState({ state: 'waiting' })).toEqual([waiting]), 10_000);
    expect(await counts()).toMatchObject({ waiting: 1, running: expect.any(Number) });
    expect(await inState({ state: 'asleep' })).toEqual([asleep]);
    expect((await inState({ state: 'asleep,waiting,running' })).sort()).toEqual([asleep, waiting].sort());
    expect(await inState({ state: 'running,background,idle' })).toEqual([]);
    expect(await inState({ state: 'waiting', status: 'closed' })).toEqual([]);
    expect((await api.call('GET', '/sessions', { query: { state: 'closed' } })).status).toBe(422);
    await calls.close(waiting);
    expect(await inState({ state: 'waiting' })).toEqual([]);
    expect(await counts()).toMatchObject({ waiting: 0 });
  });

  test('a list and a session say what it costs, how its last turn ended, and what runs in the background', async () => {
    type Listed = { sessions: Record<string, unknown>[] };
    const listed = async (id: string) => {
      const { body } = await api.call<Listed>('GET', '/sessions', { query: { limit: 1000 } });
      return body.sessions.find(({ session_id }) => session_id === id);
    };
    const { session_id: id } = await calls.create();
    expect(await listed(id)).toMatchObject({ cost_usd: 0, last_outcome: null, tasks: [] });
    const { cost_usd: cost } = (await calls.send(id, 'say hello')).body;
    const usage = await api.call<{ cost_usd: number }>('GET', '/sessions/{session_id}/usage', at(id));
    expect(await listed(id)).toMatchObject({
      cost_usd: expect.closeTo(cost, 9),
      last_outcome: 'completed',
      tasks: [],
    });
    expect(usage.body.cost_usd).toBeCloseTo(cost, 9);
    await calls.send(id, 'fail with 400');
    expect(await listed(id)).toMatchObject({ last_outcome: 'failed' });
    expect(await calls.status(id)).toMatchObject({ last_outcome: 'failed' });
    await calls.send(
      id,
      script(
        { tools: [{ name: 'Bash', input: { command: 'sleep 60', run_in_background: true } }] },
        { say: 'begun' },
      ),
    );
    expect(await listed(id)).toMatchObject({
      state: 'background',
      last_outcome: 'completed',
      tasks: [{ type: 'local_bash', description: expect.any(String) }],
    });
    await calls.close(id);
  });

  describe('GET /sessions/available', () => {
    type Available = {
      sessions: { session_id: string; modified: string; preview: string; project: string }[];
    };
    const list = async (query?: Record<string, string | number>) =>
      (await api.call<Available>('GET', '/sessions/available', query ? { query } : {})).body.sessions;

    test('lists resumable conversations, those of the terminal program included, which can be continued', async () => {
      await calls.send(shared.session_id, 'say the tide comes in');
      const mine = transcriptOf(server.userHome, shared.session_id) ?? '';
      // A conversation that this server has never seen, as the terminal program leaves it.
      const foreign = randomUUID();
      const text = readFileSync(mine, 'utf8').replaceAll(shared.session_id, foreign);
      writeFileSync(join(mine, '..', `${foreign}.jsonl`), text);

      const found = await list();
      for (const session_id of [shared.session_id, foreign]) {
        expect(found).toContainEqual({
          session_id,
          conversation_id: session_id,
          modified: expect.stringMatching(/^\d{4}-.*Z$/),
          preview: expect.stringMatching(/\S/),
          title: null,
          project: server.root,
        });
      }
      expect(await calls.create({ resume_session_id: foreign })).toMatchObject({
        session_id: foreign,
        resumed: true,
      });
      expect(textOf(await calls.send(foreign, 'what did I say'))).toContain('the tide comes in');
      await calls.close(foreign);
    });

    test('skips sidechains and empty files, and a bad file hides no other', async () => {
      await calls.send(shared.session_id, 'say something to keep');
      const mine = transcriptOf(server.userHome, shared.session_id) ?? '';
      const folder = join(mine, '..');
      const bad = Array.from({ length: 5 }, (): string => randomUUID());
      const [empty = '', garbage = '', cutOff = '', aFolder = '', sidechain = ''] = bad;
      writeFileSync(join(folder, `${empty}.jsonl`), '');
      writeFileSync(join(folder, `${garbage}.jsonl`), Buffer.from([0, 255, 254, 10, 123, 10]));
      writeFileSync(join(folder, `${cutOff}.jsonl`), '{"type":"user","mess');
      mkdirSync(join(folder, `${aFolder}.jsonl`));
      const side = readFileSync(mine, 'utf8')
        .split('\n')
        .filter((line) => line.includes('"isSidechain":false'))
        .map((line) => line.replace('"isSidechain":false', '"isSidechain":true'))
        .join('\n');
      writeFileSync(join(folder, `${sidechain}.jsonl`), side);
      copyFileSync(mine, join(folder, 'notes.jsonl'));

      const ids = (await list()).map((session) => session.session_id);
      expect(ids).toContain(shared.session_id);
      expect(ids.filter((id) => bad.includes(id) || id === 'notes')).toEqual([]);
    });

    test('takes limit, offset and cwd', async () => {
      await calls.send(shared.session_id, 'say hello');
      const all = await list();
      expect(await list({ limit: 1 })).toEqual(all.slice(0, 1));
      expect(await list({ limit: 1, offset: 1 })).toEqual(all.slice(1, 2));
      const folder = join(server.root, randomUUID());
      mkdirSync(folder);
      expect(await list({ cwd: folder })).toEqual([]);
      expect((await list({ cwd: server.root })).length).toBe(all.length);
    });
  });
});
