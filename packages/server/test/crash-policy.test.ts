/** What becomes of a turn that runs when its agent or the server dies, on the real agent. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PermissionRequest, SessionEvent, Turn, TurnResult } from 'claude-agent-protocol';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { processesOf } from './support/agents.ts';
import { script } from './support/api.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => cleanUp(server));

const until = (check: () => Promise<boolean> | boolean): Promise<void> =>
  vi.waitFor(
    async () => {
      if (!(await check())) throw new Error('It did not become true in time.');
    },
    { timeout: 30_000, interval: 50 },
  );
const ran = (file: string): string =>
  existsSync(join(server.root, file)) ? readFileSync(join(server.root, file), 'utf8') : '';
const eventsOf = async (id: string): Promise<SessionEvent[]> => {
  const headers = { accept: 'application/json' };
  const path = `/sessions/${id}/events?limit=10000`;
  return (await server.call<{ events: SessionEvent[] }>('GET', path, undefined, { headers })).body.events;
};
const killAgent = (id: string): void => void process.kill(processesOf(id)[0]?.pid ?? 0, 'SIGKILL');

interface Running {
  id: string;
  key: string;
  file: string;
  /** The message again, under its key: the turn's result. */
  result(): Promise<TurnResult>;
}

/** A session whose turn is in the middle of a call that has left its mark. */
async function running(options: Record<string, unknown>, then: Parameters<typeof script>): Promise<Running> {
  const { session_id: id } = await server.createSession(options);
  const [key, file] = [crypto.randomUUID(), `${crypto.randomUUID()}.txt`];
  const command = `echo ran >> ${file}; sleep 60`;
  // Between a call without a result and the next prompt the agent puts an answer of its own: it counts as a step.
  const message = script({ tools: [{ name: 'Bash', input: { command } }] }, { say: 'skipped' }, ...then);
  const headers = { 'idempotency-key': key };
  const path = `/sessions/${id}/messages`;
  await server.call('POST', path, { message }, { headers: { ...headers, prefer: 'respond-async' } });
  await allow(id);
  await until(() => ran(file) !== '');
  return {
    id,
    key,
    file,
    result: async () => (await server.call<TurnResult>('POST', path, { message }, { headers })).body,
  };
}

async function allow(id: string): Promise<void> {
  let request: PermissionRequest | undefined;
  await until(async () => {
    request = (await server.status(id)).pending_permissions[0];
    return request !== undefined;
  });
  await server.call('POST', `/sessions/${id}/permissions/respond`, {
    request_id: request?.request_id,
    allowed: true,
  });
}

/** The turn's own events, in order, and its record. */
async function told(id: string): Promise<{ types: string[]; turns: Turn[] }> {
  const events = await eventsOf(id);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  const { body } = await server.call<{ turns: Turn[] }>('GET', `/sessions/${id}/turns`);
  return { types: events.map(({ type }) => type).filter((type) => /^turn\./.test(type)), turns: body.turns };
}

test('with on_crash "resume" a turn goes on once after its agent died, under its id and key, and no call runs twice', async () => {
  const { id, file, result } = await running({ on_crash: 'resume' }, [{ say: 'done after all' }]);
  killAgent(id);
  const ended = await result();
  expect(ended).toMatchObject({ is_error: false });
  expect(ended.messages.at(-1)).toEqual({ type: 'text', content: 'done after all' });
  expect(ran(file)).toBe('ran\n');
  const { types, turns } = await told(id);
  expect(types).toEqual(['turn.queued', 'turn.started', 'turn.continued', 'turn.completed']);
  expect(turns.map(({ turn_id }) => turn_id)).toEqual([ended.turn_id]);
  // The conversation goes on, and nothing in it counts as another program's.
  expect(JSON.stringify(await server.send(id, 'say and on'))).toContain('and on');
});

test('a second crash ends it', async () => {
  const command = 'echo second >> second.txt; sleep 60';
  const again = { tools: [{ name: 'Bash', input: { command } }] };
  const { id, result } = await running({ on_crash: 'resume' }, [again, { say: 'never' }]);
  killAgent(id);
  await allow(id);
  await until(() => ran('second.txt') !== '');
  killAgent(id);
  expect(await result()).toMatchObject({ is_error: true, error: { code: 'agent_died' } });
  expect(ran('second.txt')).toBe('second\n');
  expect((await told(id)).types.filter((type) => type === 'turn.continued')).toHaveLength(1);
});

test('by default a turn ends with its agent', async () => {
  const { id, result } = await running({}, [{ say: 'never' }]);
  killAgent(id);
  expect(await result()).toMatchObject({ is_error: true, error: { code: 'agent_died' } });
  expect((await told(id)).types).not.toContain('turn.continued');
});

test('a call that ran while a server that then died wrote nothing down does not run again', async () => {
  const { session_id: id } = await server.createSession({ on_crash: 'resume', allowed_tools: ['Bash'] });
  const [gate, file, key] = [crypto.randomUUID(), `${crypto.randomUUID()}.txt`, crypto.randomUUID()];
  const tools = [{ name: 'Bash', input: { command: `echo ran >> ${file}; sleep 60` } }];
  const message = script({ hold: gate, tools }, { say: 'skipped' }, { say: 'done after all' });
  const headers = { 'idempotency-key': key };
  const path = `/sessions/${id}/messages`;
  await server.call('POST', path, { message }, { headers: { ...headers, prefer: 'respond-async' } });
  await server.demo.model.gates.reached(gate);
  // The server hears nothing from here on.
  process.kill(server.pid, 'SIGSTOP');
  server.demo.model.gates.release(gate, 2);
  await until(() => ran(file) !== '');
  // The agent writes its transcript up to 0.1 s late.
  await sleep(300);
  await server.kill();
  server = await startTestServer({ on: server });
  const { body } = await server.call<TurnResult>('POST', path, { message }, { headers });
  expect(body).toMatchObject({ is_error: false });
  expect(body.messages.at(-1)).toEqual({ type: 'text', content: 'done after all' });
  expect(ran(file)).toBe('ran\n');
  expect((await told(id)).types).toContain('turn.continued');
});

test('after a kill of the server a turn goes on with on_crash "resume", and is interrupted without', async () => {
  const resuming = await running({ on_crash: 'resume' }, [{ say: 'done after all' }]);
  const other = await running({}, [{ say: 'never' }]);
  await server.kill();
  server = await startTestServer({ on: server });
  const ended = await resuming.result();
  expect(ended).toMatchObject({ is_error: false });
  expect(ended.messages.at(-1)).toEqual({ type: 'text', content: 'done after all' });
  expect(ran(resuming.file)).toBe('ran\n');
  const { types } = await told(resuming.id);
  expect(types).toEqual(['turn.queued', 'turn.started', 'turn.continued', 'turn.completed']);
  expect(await other.result()).toMatchObject({ error: { code: 'server_restarted' } });
  expect(JSON.stringify(await server.send(resuming.id, 'say and on'))).toContain('and on');
});
