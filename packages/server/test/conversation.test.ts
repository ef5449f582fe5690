import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Turn } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { firstFrame, script } from './support/api.ts';
import { conversationsOn, textOf, wordsOf } from './support/conversations.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { transcriptOf } from './support/transcripts.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
  one = await cleared();
});
afterAll(() => cleanUp(server));

const { recall, eventsOf, historyOf, cleared } = conversationsOn(() => server);
/** A cleared session for tests that only look at it, go on with it, or copy it. */
let one: Awaited<ReturnType<typeof cleared>>;

async function restart(how: 'stop' | 'kill'): Promise<void> {
  await server[how]();
  server = await startTestServer({ on: server });
}

describe('after /clear', () => {
  test('the session stays, its conversation is a new one, and an event says so', async () => {
    const { id, conversation } = one;
    expect(conversation).not.toBe(id);
    const events = await eventsOf(id);
    expect(events.filter((event) => event.type === 'session.conversation').map(({ data }) => data)).toEqual([
      { conversation_id: conversation, previous_id: id, trigger: 'clear' },
    ]);
    expect(await recall(id)).toMatch(/banana/);
  });

  test('a server that was stopped or killed continues the current conversation', {
    timeout: 120_000,
  }, async () => {
    const [two, bare] = [await cleared(), await server.createSession()];
    // As the very first message: of the first conversation nothing was ever written.
    await server.send(bare.session_id, '/clear');
    await restart('stop');
    expect(await recall(one.id)).toMatch(/banana/);
    expect(await recall(bare.session_id)).toMatch(/first thing/);
    await server.send(one.id, 'say cherry');
    await restart('kill');
    for (const { id } of [one, two]) {
      const said = await recall(id);
      expect(said).toMatch(/banana/);
      expect(said).not.toMatch(/apple/);
    }
    expect(await recall(one.id)).toMatch(/cherry/);
  });

  test('close and resume continue it, by the id of the session or the conversation', async () => {
    const { id, conversation } = one;
    for (const name of [id, conversation]) {
      await server.call('DELETE', `/sessions/${id}`);
      const resumed = await server.createSession({ resume_session_id: name });
      expect(resumed).toMatchObject({ session_id: id, resumed: true });
      expect(await recall(id)).toMatch(/banana/);
    }
    // An open one is not opened twice either.
    expect(await server.createSession({ resume_session_id: conversation })).toMatchObject({ session_id: id });
  });

  test('a fork copies the current conversation, or the earlier one with the given message', async () => {
    const { id, first } = one;
    const fork = async (body: Record<string, unknown> = {}): Promise<string> => {
      const answer = await server.call<{ session_id: string }>('POST', `/sessions/${id}/fork`, body);
      expect(answer.status).toBe(200);
      return recall(answer.body.session_id);
    };
    expect(await fork()).toMatch(/banana/);
    const early = await fork({ up_to_message_id: first.turn_id });
    expect(early).toMatch(/apple/);
    expect(early).not.toMatch(/banana/);
    const nowhere = await server.call('POST', `/sessions/${id}/fork`, { up_to_message_id: id });
    expect(nowhere).toMatchObject({ status: 409, body: { code: 'cannot_fork' } });
  });

  test('the history is that of the current conversation; earlier ones stay readable', async () => {
    const { id, conversation } = await cleared();
    const present = await historyOf(id);
    expect(wordsOf(present)).toEqual(['user: say banana', 'assistant: banana']);
    expect(present).toMatchObject({ conversation_id: conversation, conversations: [id, conversation] });
    const earlier = await historyOf(id, `?conversation_id=${id}`);
    expect(wordsOf(earlier)).toEqual(['user: say apple', 'assistant: apple', 'user: /clear']);
    const unknown = await server.call('GET', `/sessions/${id}/messages?conversation_id=other`);
    expect(unknown).toMatchObject({ status: 404, body: { code: 'conversation_not_found' } });
  });

  test('the id of any of its conversations names the session, in every call but its erasure', async () => {
    const { id, conversation } = await cleared();
    for (const path of ['', '/status', '/messages', '/turns', '/events', '/usage']) {
      const call = (name: string) =>
        server.call('GET', `/sessions/${name}${path}`, undefined, {
          headers: { accept: 'application/json' },
        });
      expect(await call(conversation), path).toMatchObject({ status: 200, body: (await call(id)).body });
    }
    expect(await server.status(conversation)).toMatchObject({
      session_id: id,
      conversation_id: conversation,
    });
    expect((await fetch(`${server.url}/sessions/${conversation}/export`)).status).toBe(200);
    expect(await server.send(conversation, 'say cherry')).toMatchObject({ session_id: id });
    const async = await server.call(
      'POST',
      `/sessions/${conversation}/messages`,
      { message: 'say date' },
      {
        headers: { prefer: 'respond-async' },
      },
    );
    expect(async).toMatchObject({ status: 202, body: { session_id: id } });
    expect(async.headers.get('location')).toContain(`/sessions/${id}/turns/`);
    expect((await server.call('DELETE', `/sessions/${conversation}?erase=true`)).status).toBe(404);
    expect((await server.call('DELETE', `/sessions/${conversation}`)).status).toBe(200);
    expect((await server.status(id)).state).toBe('closed');
  });

  test('a rewind restores files as of a message of the current conversation', async () => {
    const { session_id: id } = await server.createSession({ permission_mode: 'acceptEdits' });
    const early = await server.send(id, 'write rewound.txt with zero');
    await server.send(id, '/clear');
    const { turn_id } = await server.send(id, 'write rewound.txt with one');
    const body = { message_id: turn_id, dry_run: true };
    const answer = await server.call('POST', `/sessions/${id}/rewind`, body);
    expect(answer.body).toMatchObject({ can_rewind: true, error: null });
    const before = await server.call('POST', `/sessions/${id}/rewind`, { message_id: early.turn_id });
    expect(before.body).toMatchObject({
      can_rewind: false,
      error: expect.stringMatching(/earlier conversation/),
    });
  });

  test('each turn has its own cost', async () => {
    const { id } = one;
    const { body } = await server.call<{ turns: Turn[] }>('GET', `/sessions/${id}/turns`);
    const costs = body.turns.map(({ result }) => result?.cost_usd ?? -1);
    expect(costs[1]).toBe(0);
    expect(costs[2]).toBeGreaterThan(0.01);
    const usage = await server.call<{ cost_usd: number }>('GET', `/sessions/${id}/usage`);
    expect(usage.body.cost_usd).toBeCloseTo(costs.reduce((sum, cost) => sum + cost, 0));
  });
});

describe('a compaction', () => {
  test('repeats nothing in the log or the answer, and the history stays complete', async () => {
    const { session_id: id } = await server.createSession();
    await server.send(id, 'say apple');
    await server.send(id, '/context');
    const answer = await server.send(id, '/compact');
    expect(textOf(answer)).not.toMatch(/Context Usage|apple/);
    await server.send(id, 'say banana');
    // A process that did not say itself what it keeps.
    await server.call('DELETE', `/sessions/${id}`);
    await server.createSession({ resume_session_id: id });
    expect(textOf(await server.send(id, '/compact'))).not.toMatch(/banana/);

    const uuids = (await eventsOf(id)).flatMap((event) =>
      event.type === 'agent.message' && event.data.uuid ? [event.data.uuid] : [],
    );
    expect(uuids.length).toBeGreaterThan(10);
    expect(uuids).toHaveLength(new Set(uuids).size);

    const history = await historyOf(id);
    const words = wordsOf(history);
    expect(words.slice(0, 2)).toEqual(['user: say apple', 'assistant: apple']);
    expect(words).toContain('assistant: banana');
    expect(words.filter((each) => each.startsWith('summary: This session is being continued'))).toHaveLength(
      2,
    );
    expect((await historyOf(id, '?limit=2&offset=1')).messages).toEqual(history.messages.slice(1, 3));
  });
});

test("a fork's history begins with the messages before it and continues with its own", async () => {
  const { session_id: trunk } = await server.createSession();
  await server.send(trunk, 'say apple');
  const fork = await server.call<{ session_id: string }>('POST', `/sessions/${trunk}/fork`, {});
  const id = fork.body.session_id;
  expect(wordsOf(await historyOf(id))).toEqual(['user: say apple', 'assistant: apple']);
  await server.send(id, 'say banana');
  const history = await historyOf(id);
  const words = ['user: say apple', 'assistant: apple', 'user: say banana', 'assistant: banana'];
  expect(wordsOf(history)).toEqual(words);
  expect(history.messages.map(({ turn_id }) => turn_id === null)).toEqual([true, true, false, false]);
  expect(wordsOf(await historyOf(id, '?limit=2&offset=1'))).toEqual(words.slice(1, 3));
});

describe('the list of resumable conversations', () => {
  interface Available {
    sessions: { session_id: string; conversation_id: string; preview: string }[];
    total: number;
    next_cursor: string | null;
  }
  const available = async (query = ''): Promise<Available> =>
    (await server.call<Available>('GET', `/sessions/available${query}`)).body;

  test('includes a session whose first prompt begins with a tag, and it can be forked', async () => {
    const { session_id: id } = await server.createSession();
    await server.send(id, '<task>say apple</task>');
    expect((await available()).sessions).toContainEqual(
      expect.objectContaining({ session_id: id, preview: '<task>say apple</task>' }),
    );
    expect(await server.call('POST', `/sessions/${id}/fork`, {})).toMatchObject({ status: 200 });
  });

  test('includes a cleared session once: its current conversation under the session id', async () => {
    const { id, conversation } = await cleared();
    const mine = (await available()).sessions.filter((each) => [id, conversation].includes(each.session_id));
    expect(mine).toEqual([
      expect.objectContaining({ session_id: id, conversation_id: conversation, preview: 'say banana' }),
    ]);
  });

  test('has a total and pages, and answers twenty concurrent requests equally', async () => {
    const all = await available();
    expect(all).toMatchObject({ total: all.sessions.length, next_cursor: null });
    const paged: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: Available = await available(`?limit=2${cursor && `&cursor=${cursor}`}`);
      expect(page.total).toBe(all.total);
      paged.push(...page.sessions.map((each) => each.session_id));
      cursor = page.next_cursor;
    }
    expect(paged).toEqual(all.sessions.map((each) => each.session_id));
    const twenty = await Promise.all(Array.from({ length: 20 }, () => available()));
    for (const each of twenty) expect(each).toEqual(all);
  });
});

describe('a change inside the agent', () => {
  const states = async (id: string) =>
    (await eventsOf(id)).flatMap((event) => (event.type === 'session.state' ? [event.data] : []));

  test('by /model and /rename is picked up with an event, and survives a restart of the agent', async () => {
    const { session_id: id } = await server.createSession({ model: 'demo' });
    await server.send(id, '/model opus');
    const { current_model: model } = await server.status(id);
    expect(model).toMatch(/opus/);
    await server.send(id, '/rename my own name');
    expect(await server.status(id)).toMatchObject({ title: 'my own name', current_model: model });
    expect((await states(id)).at(-1)).toMatchObject({ title: 'my own name', model });
    // Set from outside in between: that is no change from inside.
    await server.call('POST', `/sessions/${id}/model`, { model: 'demo' });
    await server.send(id, '/context');
    expect(await server.status(id)).toMatchObject({ current_model: 'demo' });
    await server.send(id, '/model sonnet');
    await server.call('DELETE', `/sessions/${id}`);
    await server.createSession({ resume_session_id: id });
    await server.send(id, 'say hello');
    expect(await server.status(id)).toMatchObject({
      title: 'my own name',
      current_model: expect.stringMatching(/sonnet/),
    });
  });

  test('of the title by the agent itself is picked up', async () => {
    const { session_id: id } = await server.createSession();
    await server.send(id, 'say apple');
    // As the agent writes it, once a small model has found one; tests let no such extra calls out.
    appendFileSync(
      transcriptOf(server.userHome, id) ?? '',
      `${JSON.stringify({ type: 'ai-title', aiTitle: 'On fruit', sessionId: id })}\n`,
    );
    const { last_seq } = await server.status(id);
    const stream = server.stream(`/sessions/${id}/events?after=${last_seq}`);
    await server.send(id, 'say banana');
    const told = await firstFrame(
      stream,
      ({ event, data }) => event === 'session.state' && data.data.title !== null,
    );
    expect(told.data.data.title).toBe('On fruit');
    expect(await server.status(id)).toMatchObject({ title: 'On fruit' });
  });

  test('of the folder by entering and leaving a worktree is picked up, by the next process too', async () => {
    const repository = join(server.root, 'repository');
    mkdirSync(join(repository, 'sub'), { recursive: true });
    const git = [
      '-c',
      'user.email=a@b.c',
      '-c',
      'user.name=n',
      'commit',
      '-q',
      '--allow-empty',
      '-m',
      'first',
    ];
    for (const args of [['init', '-q', '.'], git])
      expect(spawnSync('git', args, { cwd: repository }).status).toBe(0);
    const { session_id: id } = await server.createSession({
      cwd: repository,
      allowed_tools: ['Bash', 'EnterWorktree', 'ExitWorktree'],
    });
    const use = (name: string, input: unknown) =>
      server.send(id, script({ tools: [{ name, input }] }, { say: 'done' }));
    await server.send(id, 'run cd sub');
    await server.send(id, 'run pwd');
    expect(await server.status(id)).toMatchObject({ cwd: repository });
    await use('EnterWorktree', { name: 'tree' });
    const worktree = join(repository, '.claude', 'worktrees', 'tree');
    expect(await server.status(id)).toMatchObject({ cwd: worktree });
    expect((await states(id)).at(-1)).toMatchObject({ cwd: worktree });
    await server.call('DELETE', `/sessions/${id}`);
    await server.createSession({ resume_session_id: id });
    expect(textOf(await server.send(id, 'run pwd'))).toContain((await server.status(id)).cwd);
    expect(await server.status(id)).toMatchObject({ cwd: worktree });
    await use('ExitWorktree', { action: 'keep' });
    expect(await server.status(id)).toMatchObject({ cwd: repository });
  });
});
