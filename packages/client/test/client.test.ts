import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AgentClient, type AgentSession, type PermissionRequest, type StreamFrame } from '../src/index.ts';
import { cleanUp, script, startTestServer, type TestServer } from './support/server.ts';

let server: TestServer;
let client: AgentClient;
/** For tests that leave a session as they found it, but for its history. */
let shared: AgentSession;
beforeAll(async () => {
  server = await startTestServer();
  client = new AgentClient({ baseUrl: server.url });
  shared = await client.sessions.create();
});
afterAll(() => cleanUp(server));

const textOf = (result: { messages: { type: string; content?: string }[] }): string =>
  result.messages.map(({ content }) => content ?? '').join('');

const write = (file: string, content: string): string =>
  script(
    { tools: [{ name: 'Write', input: { file_path: join(server.root, file), content } }] },
    { say: 'Done.' },
  );

describe('a session', () => {
  test('is created, found and listed', async () => {
    const session = await client.sessions.create({ title: 'Mine' });
    expect(session.created).toMatchObject({ session_id: session.id, resumed: false, status: 'connected' });
    expect((await client.sessions.get(session.id)).id).toBe(session.id);
    const { sessions } = await client.sessions.list({ limit: 5 });
    expect(sessions.find(({ session_id }) => session_id === session.id)?.title).toBe('Mine');
    await session.close();
    expect((await session.info()).status).toBe('closed');
  });

  test('that is not there is a 404 with a sentence', async () => {
    await expect(client.sessions.get('7b0f5f3c-55cf-4bd4-9a1f-4fbb0a1f5d5e')).rejects.toMatchObject({
      status: 404,
      code: 'session_not_found',
      detail: expect.stringContaining('There is no session'),
    });
  });

  test('changes its model, mode and title', async () => {
    const session = await client.sessions.create();
    await session.setModel('other');
    await session.setMode('plan');
    await session.update({ title: 'Renamed' });
    expect(await session.info()).toMatchObject({
      current_model: 'other',
      permission_mode: 'plan',
      title: 'Renamed',
    });
  });

  test('tells its history, its turns, its usage and its context', async () => {
    const session = await client.sessions.create();
    const { turn_id } = await session.send('say remember me');
    expect(await session.turns()).toMatchObject([
      { turn_id, state: 'completed', message: 'say remember me' },
    ]);
    expect((await session.turn(turn_id)).result?.is_error).toBe(false);
    expect((await session.history()).map(({ type }) => type)).toEqual(['user', 'assistant']);
    expect((await session.usage()).turns).toBe(1);
    expect(await session.context()).toHaveProperty('totalTokens');
    expect((await session.serverInfo()).commands.length).toBeGreaterThan(0);
  });

  test('can be forked: the copy remembers, the original does not change', async () => {
    const session = await client.sessions.create();
    await session.send('say first');
    const copy = await session.fork({ title: 'Copy' });
    expect(textOf(await copy.send('what did I say'))).toContain('say first');
    expect((await session.info()).message_count).toBe(1);
  });

  test('can put files back to how they were', async () => {
    const session = await client.sessions.create({ permission_mode: 'acceptEdits' });
    await session.send(write('rewound.txt', 'one'));
    const { turn_id } = await session.send(
      script(
        { tools: [{ name: 'Read', input: { file_path: join(server.root, 'rewound.txt') } }] },
        {
          tools: [{ name: 'Write', input: { file_path: join(server.root, 'rewound.txt'), content: 'two' } }],
        },
        { say: 'Done.' },
      ),
    );
    expect(readFileSync(join(server.root, 'rewound.txt'), 'utf8')).toBe('two');
    expect(await session.rewind(turn_id, { dryRun: true })).toMatchObject({ can_rewind: true });
    await session.rewind(turn_id);
    expect(readFileSync(join(server.root, 'rewound.txt'), 'utf8')).toBe('one');
  });
});

describe('send', () => {
  test('awaited, gives the result', async () => {
    const session = shared;
    const result = await session.send('say hello');
    expect(result).toMatchObject({ is_error: false, session_id: session.id });
    expect(textOf(result)).toBe('hello');
  });

  test('iterated, gives the events of its turn from first to last, and the deltas between', async () => {
    const session = shared;
    const types: string[] = [];
    let streamed = '';
    for await (const frame of session.send('say word by word')) {
      if (frame.type === 'agent.delta') {
        const event = frame.data.event as { delta?: { text?: string } } | undefined;
        streamed += event?.delta?.text ?? '';
      } else {
        types.push(frame.type);
      }
    }
    expect(types[0]).toBe('turn.queued');
    expect(types.at(-1)).toBe('turn.completed');
    expect(types).toContain('agent.message');
    expect(streamed).toBe('word by word');
  });

  test('can be both awaited and iterated, also late', async () => {
    const session = shared;
    const turn = session.send('say both');
    const result = await turn;
    const frames: StreamFrame[] = [];
    for await (const frame of turn) frames.push(frame);
    expect(frames.at(-1)).toMatchObject({ type: 'turn.completed', data: { result } });
  });

  test('a turn that fails is a result with its error, not an exception', async () => {
    const session = shared;
    const result = await session.send('fail');
    expect(result.is_error).toBe(true);
    expect(result.error?.message).toBeTruthy();
  });

  test('an empty message rejects, and iterating it throws the same', async () => {
    const session = shared;
    await expect(session.send(' ')).rejects.toMatchObject({ status: 422 });
    const iterate = async (): Promise<void> => {
      for await (const _ of session.send(' ')) expect.unreachable();
    };
    await expect(iterate()).rejects.toMatchObject({ status: 422 });
  });

  test('the same key is the same turn', async () => {
    const session = shared;
    const { message_count } = await session.info();
    const first = await session.send('say once', { idempotencyKey: 'k1' });
    const again = await session.send('say once', { idempotencyKey: 'k1' });
    expect(again.turn_id).toBe(first.turn_id);
    expect((await session.info()).message_count).toBe(message_count + 1);
  });

  test('while busy: queued, rejected, or instead of what runs', async () => {
    const session = shared;
    const gate = 'busy';
    const first = session.send(script({ hold: gate, say: 'first' }));
    await server.demo.model.gates.reached(gate);
    const second = session.send('say second');
    await expect(session.send('say third', { whenBusy: 'reject' })).rejects.toMatchObject({ status: 409 });
    server.demo.model.gates.release(gate);
    expect([textOf(await first), textOf(await second)]).toEqual(['first', 'second']);

    const slow = session.send(script({ hold: 'never', say: 'slow' }));
    await server.demo.model.gates.reached('never');
    const instead = session.send('say instead', { whenBusy: 'interrupt' });
    expect(textOf(await instead)).toBe('instead');
    let end = '';
    for await (const frame of slow) end = frame.type;
    expect(end).toBe('turn.interrupted');
  });

  test('an aborted wait rejects; the turn goes on', async () => {
    const session = shared;
    const abort = new AbortController();
    const turn = session.send(script({ hold: 'abort', say: 'done anyway' }), { signal: abort.signal });
    await server.demo.model.gates.reached('abort');
    abort.abort(new Error('enough'));
    await expect(turn).rejects.toThrow('enough');
    server.demo.model.gates.release('abort');
    await expect.poll(async () => (await session.turns()).at(-1)?.state).toBe('completed');
  });

  test('interrupt ends the turn', async () => {
    const session = shared;
    const turn = session.send(script({ hold: 'stop', say: 'never' }));
    await server.demo.model.gates.reached('stop');
    await session.interrupt();
    let last: StreamFrame | undefined;
    for await (const frame of turn) last = frame;
    expect(last).toMatchObject({ type: 'turn.interrupted', data: { reason: 'interrupted' } });
  });
});

describe('onPermission', () => {
  test('answers requests, also one that waited before', async () => {
    const session = shared;
    const turn = session.send(write('allowed.txt', 'yes'));
    await expect.poll(async () => (await session.info()).pending_permissions.length).toBe(1);
    const asked: PermissionRequest[] = [];
    const stop = session.onPermission((request) => {
      asked.push(request);
      return true;
    });
    expect(textOf(await turn)).toContain('Done');
    stop();
    expect(asked.map(({ tool_name }) => tool_name)).toEqual(['Write']);
    expect(readFileSync(join(server.root, 'allowed.txt'), 'utf8')).toBe('yes');
  });

  test('a denial with a message reaches the agent', async () => {
    const session = shared;
    const stop = session.onPermission(() => ({ allowed: false, message: 'Not in this folder.' }));
    const frames: StreamFrame[] = [];
    for await (const frame of session.send(write('denied.txt', 'no'))) frames.push(frame);
    stop();
    expect(existsSync(join(server.root, 'denied.txt'))).toBe(false);
    expect(JSON.stringify(frames)).toContain('Not in this folder.');
  });

  test('a handler learns that its answer is no longer wanted', async () => {
    const session = shared;
    const superseded = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<PermissionRequest>();
    const stop = session.onPermission(async (request, { signal }) => {
      signal.addEventListener('abort', () => superseded.resolve());
      asked.resolve(request);
      await superseded.promise;
      return true;
    });
    const turn = session.send(write('elsewhere.txt', 'no'));
    const { request_id } = await asked.promise;
    await client.permissions.respond(session.id, { request_id, allowed: false });
    await superseded.promise;
    expect((await turn).is_error).toBe(false);
    stop();
  });

  test('the inbox lists what waits in all sessions', async () => {
    const session = shared;
    const turn = session.send(write('inbox.txt', 'no'));
    await expect.poll(async () => (await client.permissions.list()).permissions.length).toBe(1);
    await session.interrupt();
    await turn;
    expect((await client.permissions.list()).permissions).toEqual([]);
  });

  test('the answers to a question go back in the input', async () => {
    const session = shared;
    const stop = session.onPermission(({ tool_input }) => {
      const questions = tool_input.questions as { question: string; options: { label: string }[] }[];
      const answers = Object.fromEntries(questions.map((q) => [q.question, q.options[1]?.label ?? '']));
      return { allowed: true, updated_input: { ...tool_input, answers } };
    });
    const result = await session.send('ask me a question');
    stop();
    const asked = result.messages.find((item) => item.type === 'tool_use');
    const [first] = (asked?.type === 'tool_use' ? asked.tool_input.questions : []) as {
      options: { label: string }[];
    }[];
    expect(textOf(result)).toContain(first?.options[1]?.label);
  });
});

describe('events', () => {
  test('go on from any number, in order and without holes', async () => {
    const session = shared;
    await session.send('say one');
    const { last_seq } = await session.info();
    const read = async (after: number): Promise<number[]> => {
      const seen: number[] = [];
      for await (const frame of session.events({ after })) {
        if ('seq' in frame && seen.push(frame.seq) === last_seq - after) break;
      }
      return seen;
    };
    const all = Array.from({ length: last_seq }, (_, index) => index + 1);
    expect(await read(0)).toEqual(all);
    expect(await read(3)).toEqual(all.slice(3));
  });

  test('of all sessions come on one stream', async () => {
    const { cursor } = await client.permissions.list();
    const session = await client.sessions.create();
    await session.send('say control');
    const types: string[] = [];
    for await (const event of client.events({ after: cursor })) {
      if (event.session_id !== session.id) continue;
      types.push(event.type);
      if (event.type === 'turn.completed') break;
    }
    expect(types).toContain('session.created');
    expect(types).not.toContain('agent.message');
  });

  test('end when aborted', async () => {
    const session = shared;
    const abort = new AbortController();
    const read = async (): Promise<void> => {
      for await (const _ of session.events({ signal: abort.signal })) abort.abort();
    };
    await expect(read()).resolves.toBeUndefined();
  });
});

describe('when the server goes away', () => {
  const freePort = (): Promise<string> =>
    new Promise((resolve) => {
      const probe = createServer().listen(0, '127.0.0.1', () => {
        const port = String((probe.address() as { port: number }).port);
        probe.close(() => resolve(port));
      });
    });

  test('a turn and a stream go on after it was killed and started again, with nothing shown twice', async () => {
    const args = ['--port', await freePort()];
    let other = await startTestServer({ args });
    try {
      const remote = new AgentClient({ baseUrl: other.url });
      const session = await remote.sessions.create();
      const seqs: number[] = [];
      const abort = new AbortController();
      const reading = (async () => {
        for await (const frame of session.events({ signal: abort.signal }))
          if ('seq' in frame) seqs.push(frame.seq);
      })();
      const turn = session.send(script({ hold: 'killed', say: 'never' }));
      await other.demo.model.gates.reached('killed');
      await other.kill();
      other = await startTestServer({ args, on: other });
      // The turn does not run again by itself: it ends as interrupted, and the waiting caller is told.
      expect(await turn).toMatchObject({ session_id: session.id });
      expect(textOf(await session.send('say back again'))).toBe('back again');
      const { last_seq } = await session.info();
      await expect.poll(() => seqs.at(-1)).toBe(last_seq);
      abort.abort();
      await reading;
      expect(seqs).toEqual(Array.from({ length: last_seq }, (_, index) => index + 1));
    } finally {
      await cleanUp(other);
    }
  });
});

test('every route can be called by its value as well', async () => {
  const { routes } = await import('claude-agent-protocol');
  expect((await client.call(routes.health)).status).toBe('healthy');
});

test('a message with its background work: on an older server, which ends with the turn, so does the wait', async () => {
  const session = await client.sessions.create();
  const patient = await session.send('start a subagent in the background to wait 1 seconds', {
    waitFor: 'background',
  });
  expect(JSON.stringify(patient.messages)).toContain('A background task has news');

  /** The same server as it was before it knew of background work. */
  const older = new AgentClient({
    baseUrl: server.url,
    fetch: async (url, init) => {
      const { wait_for: _, ...body } = JSON.parse(String(init.body ?? '{}')) as Record<string, unknown>;
      const response = await fetch(url, init.body ? { ...init, body: JSON.stringify(body) } : init);
      if (!/\/turns\//.test(url)) return response;
      const { wait_for: __, ...turn } = (await response.json()) as Record<string, unknown>;
      return Response.json(turn);
    },
  });
  const { messages } = await older.session(session.id).send('say done', { waitFor: 'background' });
  expect(messages).toEqual([{ type: 'text', content: 'done' }]);
});
