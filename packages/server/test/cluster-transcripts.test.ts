/** A session continues on any node with all that was said, where each node has folders of its own for its agents. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { script } from './support/api.ts';
import { startTestCluster, type TestCluster } from './support/cluster.ts';
import { hasPostgres } from './support/postgres.ts';
import type { TestServer } from './support/server.ts';
import { transcriptOf } from './support/transcripts.ts';

const eventually = (check: () => Promise<void> | void): Promise<void> =>
  vi.waitFor(check, { timeout: 30_000, interval: 100 });

describe.skipIf(!hasPostgres())('transcripts of a cluster', { timeout: 120_000 }, () => {
  let cluster: TestCluster;
  let database: Client;
  let one: TestServer;
  let two: TestServer;
  beforeAll(async () => {
    cluster = await startTestCluster(2, {
      args: ['--lease-seconds', '10'],
      config: { sleep_after_seconds: 1 },
      ownUser: true,
    });
    [one, two] = cluster.nodes as [TestServer, TestServer];
    database = new Client({ connectionString: cluster.database });
    await database.connect();
  }, 120_000);
  afterAll(async () => {
    await database?.end();
    await cluster?.stop();
  }, 60_000);

  const transcript = (node: TestServer, id: string): string => {
    const path = transcriptOf(node.userHome, id);
    if (path === undefined) throw new Error(`There is no transcript of ${id}.`);
    return path;
  };
  const place = (node: TestServer, id: string): string => transcriptOf(node.userHome, id) ?? '';
  const said = async (node: TestServer, id: string, message: string): Promise<string> => {
    const { is_error, messages } = await node.send(id, message);
    expect(is_error).toBe(false);
    return JSON.stringify(messages);
  };
  /** Ends the session's process and its ownership. */
  const close = async (node: TestServer, id: string): Promise<void> => {
    expect((await node.call('DELETE', `/sessions/${id}`)).status).toBe(200);
  };
  const resume = (node: TestServer, id: string) =>
    node.createSession({ resume_session_id: id, start: 'lazy' });
  const rows = async (table: string, id: string): Promise<number> => {
    const { rows } = await database.query(`select count(*)::int as n from ${table} where session_id = $1`, [
      id,
    ]);
    return rows[0].n;
  };

  test('a sleeping session wakes on another node, with its words, its subagents and its copies of files', async () => {
    const { session_id: id } = await one.createSession({
      permission_mode: 'acceptEdits',
      allowed_tools: ['Bash'],
    });
    const file = join(one.root, 'moved.txt');
    await said(one, id, 'say apple');
    writeFileSync(file, 'before');
    const read = { tools: [{ name: 'Read', input: { file_path: file } }] };
    const input = { file_path: file, old_string: 'before', new_string: 'after' };
    const { turn_id: edited } = await one.send(
      id,
      script(read, { tools: [{ name: 'Edit', input }] }, { say: 'edited' }),
    );
    await said(one, id, 'start a subagent to ls');
    expect(readFileSync(file, 'utf8')).toBe('after');
    // A session at rest has no owner.
    await eventually(async () => {
      const { rows } = await database.query('select owner from sessions where id = $1', [id]);
      expect(rows[0].owner).toBeNull();
    });
    const before = readFileSync(transcript(one, id));
    expect(transcriptOf(two.userHome, id)).toBeUndefined();
    expect(await said(two, id, 'what did I say')).toMatch(/apple/);
    expect(readFileSync(transcript(two, id)).subarray(0, before.length).equals(before)).toBe(true);
    const [beside, there] = [one, two].map((node) =>
      join(dirname(transcript(node, id)), id, 'subagents'),
    ) as [string, string];
    expect(readdirSync(there)).toEqual(readdirSync(beside));
    for (const name of readdirSync(there))
      expect(readFileSync(join(there, name)).equals(readFileSync(join(beside, name)))).toBe(true);
    const rewound = await two.call('POST', `/sessions/${id}/rewind`, { message_id: edited });
    expect(rewound.body).toMatchObject({ can_rewind: true, files_changed: [file] });
    expect(readFileSync(file, 'utf8')).toBe('before');
  });

  test('an older copy on the node where it was before is replaced', async () => {
    const { session_id: id } = await one.createSession();
    await said(one, id, 'say first');
    await close(one, id);
    await resume(two, id);
    await said(two, id, 'say second');
    await close(two, id);
    await resume(one, id);
    expect(await said(one, id, 'what did I say')).toMatch(/first.*second/);
    const newest = readFileSync(transcript(two, id));
    expect(readFileSync(transcript(one, id)).subarray(0, newest.length).equals(newest)).toBe(true);
  });

  test('what a node had not stored when it was killed comes from the log; turns resume and approvals wait', async () => {
    const three = await cluster.start({ ownUser: true });
    const { session_id: id } = await three.createSession();
    const echo = (word: string) => ({
      tools: [{ name: 'Bash', input: { command: `echo ${word} >> ${word}.txt` } }],
    });
    await said(three, id, 'say apple');
    const interrupted = script({ say: 'banana', ...echo('cherry') }, { hold: 'killed', say: 'never' });
    const { session_id: going } = await three.createSession({
      on_crash: 'resume',
      allowed_tools: ['Bash'],
    });
    await said(three, going, 'say apple');
    const resumed = script(echo('date'), { hold: 'killed', say: 'went on' });
    const { session_id: parked } = await three.createSession({ park_after_seconds: 0.2 });
    await said(three, parked, 'say apple');
    const waiting = script(echo('elder'), { say: 'asked once' });
    const async = { headers: { prefer: 'respond-async' } };
    for (const [session, message] of [
      [id, interrupted],
      [going, resumed],
      [parked, waiting],
    ])
      await three.call('POST', `/sessions/${session}/messages`, { message }, async);
    const requestOf = async (session: string): Promise<string | undefined> =>
      (
        await two.call<{ permissions: { session_id: string; request_id: string }[] }>('GET', '/permissions')
      ).body.permissions.find(({ session_id }) => session_id === session)?.request_id;
    const answer = async (node: TestServer, session: string): Promise<void> => {
      await eventually(async () => expect(await requestOf(session)).toBeDefined());
      const body = { request_id: await requestOf(session), allowed: true };
      expect((await node.call('POST', `/sessions/${session}/permissions/respond`, body)).status).toBe(200);
    };
    await answer(three, id);
    await three.demo.model.gates.reached('killed', 2);
    await eventually(async () => {
      const { rows } = await database.query(
        "select 1 from events where session_id = $1 and type = 'turn.parked'",
        [parked],
      );
      expect(rows).toHaveLength(1);
    });
    await three.kill();
    three.demo.model.gates.release('killed', Number.POSITIVE_INFINITY);
    const states = async (session: string): Promise<string[]> => {
      const { body } = await two.call<{ turns: { state: string }[] }>('GET', `/sessions/${session}/turns`);
      return body.turns.map(({ state }) => state);
    };
    await eventually(async () => expect(await states(id)).toEqual(['completed', 'interrupted']));
    const words = await said(two, id, 'what did I say');
    expect(words).toMatch(/apple.*banana/s);
    const whereIs = (session: string) => transcript(existsSync(place(two, session)) ? two : one, session);
    expect(readFileSync(whereIs(id), 'utf8')).toContain('cherry');

    await answer(two, parked);
    for (const session of [going, parked])
      await eventually(async () => expect(await states(session)).toEqual(['completed', 'completed']));
    for (const word of ['cherry', 'date', 'elder'])
      expect(readFileSync(join(two.root, `${word}.txt`), 'utf8')).toBe(`${word}\n`);
    for (const session of [going, parked])
      expect(await said(one, session, 'what did I say')).toMatch(/apple.*(date|elder)/s);
  });

  test('a fork and its first turns are on the other node what they were here', async () => {
    const { session_id: parent } = await one.createSession();
    await said(one, parent, 'say apple');
    await close(one, parent);
    const { body } = await two.call<{ session_id: string }>('POST', `/sessions/${parent}/fork`, {});
    const { session_id: fork } = body;
    await close(two, fork);
    await resume(one, fork);
    expect(await said(one, fork, 'what did I say')).toMatch(/apple/);
  });

  test('each conversation after /clear is stored, and all go with the session', async () => {
    const { session_id: id } = await one.createSession();
    await said(one, id, 'say apple');
    await one.send(id, '/clear');
    await said(one, id, 'say banana');
    await close(one, id);
    expect(await rows('transcripts', id)).toBe(2);
    await resume(two, id);
    expect(await said(two, id, 'what did I say')).toMatch(/banana/);
    expect((await two.call('DELETE', `/sessions/${id}?erase=true`)).status).toBe(200);
    for (const table of ['transcripts', 'transcript_files', 'transcript_chunks'])
      expect(await rows(table, id), table).toBe(0);
    expect(transcriptOf(two.userHome, id)).toBeUndefined();
  });

  test('a conversation of the terminal program comes into the store when it is resumed, and is listed once', async () => {
    const { session_id: source } = await one.createSession();
    await said(one, source, 'say apple');
    await close(one, source);
    // As the terminal program leaves it: a file under an id that no session has.
    const id = '11111111-2222-4333-8444-555555555555';
    const text = readFileSync(transcript(one, source), 'utf8').replaceAll(source, id);
    writeFileSync(join(dirname(transcript(one, source)), `${id}.jsonl`), text);
    const listed = async (node: TestServer): Promise<string[]> => {
      const { body } = await node.call<{ sessions: { session_id: string }[] }>(
        'GET',
        '/sessions/available?limit=100',
      );
      return body.sessions
        .map(({ session_id }) => session_id)
        .filter((each) => each === id || each === source);
    };
    expect((await listed(one)).toSorted()).toEqual([id, source].toSorted());
    expect(await listed(two)).toEqual([source]);
    expect(await resume(one, id)).toMatchObject({ session_id: id, resumed: true });
    await close(one, id);
    for (const node of [one, two]) expect((await listed(node)).toSorted()).toEqual([id, source].toSorted());
    rmSync(transcript(one, id));
    // Nobody has it: any node reads what was said before the session began.
    const history = await two.call('GET', `/sessions/${id}/messages`);
    expect(JSON.stringify(history.body)).toContain('apple');
    await resume(two, id);
    expect(await said(two, id, 'what did I say')).toMatch(/apple/);
    expect(existsSync(transcript(two, id))).toBe(true);
  });
});
