/** The contract of Amazon Bedrock AgentCore: plain invocations, /ping and /ws, in front of the real agent. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { script } from './support/api.ts';
import { recordModelCalls } from './support/model-calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const HEADER = 'X-Amzn-Bedrock-AgentCore-Runtime-Session-Id';

const calls = recordModelCalls();
let server: TestServer;
let base: string;
beforeAll(async () => {
  server = await startTestServer({
    args: ['--agentcore', '--port', '0'],
    model: calls.options,
    env: { AGENT_SERVER_API_KEY: 'a-key-of-the-server' },
  });
  base = server.url;
}, 60_000);
afterAll(() => cleanUp(server));

interface Outcome {
  result: string | null;
  status: string;
  session_id: string;
  turn_id: string;
  is_error: boolean;
  permissions: { request_id: string; tool_name: string }[];
  code?: string;
}

/** As the platform calls: without a key of this server. */
const post = (body: object, runtimeId?: string, more: Record<string, string> = {}) =>
  fetch(`${base}/invocations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(runtimeId && { [HEADER]: runtimeId }), ...more },
    body: JSON.stringify(body),
  });
const invoke = async (body: object, runtimeId?: string): Promise<Outcome> =>
  (await (await post(body, runtimeId)).json()) as Outcome;
const newId = (): string => `runtime-session-${randomUUID()}`;
const ping = async () =>
  (await (await fetch(`${base}/ping`)).json()) as { status: string; time_of_last_update: number };
const bash = (command: string): string =>
  script({ tools: [{ name: 'Bash', input: { command } }] }, { say: 'it is done' });

describe('an invocation', () => {
  test('is a message to the session of its header, which is made on first use', async () => {
    const id = newId();
    const first = await invoke({ prompt: 'say one' }, id);
    expect(first).toMatchObject({ result: 'one', status: 'completed', is_error: false, permissions: [] });
    const second = await invoke({ input: [{ type: 'text', text: 'say two' }] }, id);
    expect([second.result, second.session_id]).toEqual(['two', first.session_id]);
    const other = await invoke({ input: 'say three', session_id: newId() });
    expect(other.session_id).not.toBe(first.session_id);
  });

  test('of one new id at the same time is one session', async () => {
    const id = newId();
    const answers = await Promise.all([invoke({ prompt: 'say a' }, id), invoke({ prompt: 'say b' }, id)]);
    expect(answers.map(({ result }) => result)).toEqual(['a', 'b']);
    expect(new Set(answers.map(({ session_id }) => session_id)).size).toBe(1);
  });

  test('goes on with a session that was closed, with its context', async () => {
    const id = newId();
    const { session_id } = await invoke({ prompt: 'say before' }, id);
    const closing = { path: '/sessions/{session_id}', method: 'DELETE', path_params: { session_id } };
    expect((await post(closing)).status).toBe(200);
    expect(await invoke({ prompt: 'say after' }, id)).toMatchObject({ result: 'after', session_id });
    expect(JSON.stringify(calls.first('say after')?.messages)).toContain('say before');
  });

  test('answers when a permission is asked, and the next one answers that', async () => {
    const id = newId();
    const asked = await invoke({ prompt: bash('touch allowed') }, id);
    expect(asked).toMatchObject({ result: null, status: 'waiting', permissions: [{ tool_name: 'Bash' }] });
    const late = await invoke({ prompt: 'say behind it' }, id);
    expect([late.status, late.permissions]).toEqual(['waiting', asked.permissions]);
    const permission = { request_id: asked.permissions[0]?.request_id, allowed: true };
    expect(await invoke({ permission }, id)).toMatchObject({
      result: 'it is done',
      status: 'completed',
      turn_id: asked.turn_id,
    });
    expect((await post({ permission }, id)).status).toBe(409);
  });

  test('streams events to callers who take a stream', async () => {
    const answer = await post({ prompt: 'say streamed words' }, newId(), { accept: 'text/event-stream' });
    expect(answer.headers.get('content-type')).toBe('text/event-stream');
    const text = await answer.text();
    expect(text).toMatch(/^data: \{.*"type":"agent.delta"/m);
    expect(text).toMatch(/^data: \{.*"type":"turn.completed"/m);
  });

  test('without a session is 400, with a wrong payload 422; nothing else opens without a key', async () => {
    const missing = await post({ prompt: 'say no' });
    expect([missing.status, ((await missing.json()) as Outcome).code]).toEqual([
      400,
      'runtime_session_missing',
    ]);
    expect((await post({ prompt: 7 }, newId())).status).toBe(422);
    expect((await post({ prompt: '' }, newId())).status).toBe(422);
    expect((await post({}, newId())).status).toBe(400);
    expect((await fetch(`${base}/sessions`)).status).toBe(401);
    const keyed = await fetch(`${base}/sessions`, { headers: { 'x-api-key': 'a-key-of-the-server' } });
    expect(keyed.status).toBe(200);
  });
});

test('ping says when the status last changed, not what time it is', async () => {
  const id = newId();
  const idle = await ping();
  expect(idle.status).toBe('Healthy');
  const turn = invoke({ prompt: script({ say: 'a {{hold:ping}}b' }) }, id);
  await vi.waitFor(async () => expect((await ping()).status).toBe('HealthyBusy'), 20_000);
  const busy = await ping();
  expect(busy.time_of_last_update).toBeGreaterThanOrEqual(idle.time_of_last_update);
  server.demo.model.gates.release('ping');
  await turn;
  await vi.waitFor(async () => expect((await ping()).status).toBe('Healthy'), 20_000);
  const after = await ping();
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  expect(await ping()).toEqual(after);
  // A turn between two pings counts too.
  await invoke({ prompt: 'say quick' }, id);
  await vi.waitFor(async () =>
    expect((await ping()).time_of_last_update).toBeGreaterThan(after.time_of_last_update),
  );
});

describe('/ws', () => {
  const open = (path: string, headers: Record<string, string> = {}) =>
    new WebSocket(`${base.replace('http', 'ws')}${path}`, { headers });
  /** Frames as they come, and a way to wait for one. */
  const connect = (runtimeId: string, query = '') => {
    const ws = open(`/ws${query}`, { [HEADER]: runtimeId });
    const frames: { type: string; [name: string]: unknown }[] = [];
    ws.on('message', (data) => frames.push(JSON.parse(String(data))));
    const frame = (type: string) =>
      vi.waitFor(() => {
        const found = frames.find((each) => each.type === type);
        expect(found, JSON.stringify(frames)).toBeDefined();
        return found;
      }, 20_000);
    return { ws, frames, frame, up: (body: object) => ws.send(JSON.stringify(body)) };
  };
  const refusal = (ws: WebSocket): Promise<number | undefined> =>
    new Promise((resolve) => {
      ws.on('unexpected-response', (_, response) => resolve(response.statusCode));
      ws.on('error', () => {});
    });

  test('takes messages, answers and questions, and gives events live', async () => {
    const { ws, frames, frame, up } = connect(newId());
    await frame('ready');
    up({ type: 'ping' });
    await frame('pong');
    up({ type: 'message', message: bash('touch by-socket') });
    await frame('accepted');
    const asked = await frame('permission.requested');
    const { request_id: request } = (asked?.data ?? {}) as { request_id?: string };
    up({ type: 'permission', request_id: request, allowed: true });
    await frame('answered');
    await frame('turn.completed');
    expect(frames.some(({ type }) => type === 'agent.delta')).toBe(true);
    const numbers = frames.flatMap(({ seq }) => (typeof seq === 'number' ? [seq] : []));
    expect(numbers).toEqual(numbers.map((_, n) => (numbers[0] ?? 0) + n));
    ws.close();
  });

  test('goes on after an event, interrupts, and says what is wrong', async () => {
    const id = newId();
    const { turn_id } = await invoke({ prompt: 'say first' }, id);
    const { ws, frames, frame, up } = connect(id, '?after=0');
    await frame('turn.completed');
    expect(frames.find(({ type }) => type === 'session.created')).toMatchObject({ seq: 1 });
    expect(frames.find(({ type }) => type === 'turn.completed')).toMatchObject({ turn_id });
    ws.send('no json');
    expect((await frame('problem'))?.problem).toMatchObject({ code: 'malformed_json' });
    frames.length = 0;
    up({ type: 'message', message: '' });
    expect((await frame('problem'))?.problem).toMatchObject({ code: 'validation_failed' });
    up({ type: 'message', message: script({ say: 'a {{hold:never}}b' }) });
    await frame('turn.started');
    up({ type: 'interrupt' });
    await frame('interrupted');
    await frame('turn.interrupted');
    ws.close();
  });

  test('is refused without a session, to foreign pages and elsewhere', async () => {
    expect(await refusal(open('/ws'))).toBe(400);
    expect(await refusal(open('/other', { [HEADER]: newId() }))).toBe(404);
    expect(await refusal(open('/ws', { [HEADER]: newId(), origin: 'https://evil.example' }))).toBe(403);
  });

  test('ends in order when the server stops', async () => {
    const { ws, frame } = connect(newId());
    await frame('ready');
    const closed = new Promise((resolve) => ws.on('close', resolve));
    expect(await server.stop()).toBe(0);
    await closed;
  });
});
