/**
 * What hostile callers can do to a server: generated requests (the contract's own forms, valid and broken, and paths and
 * headers that are none) over many connections, most of them with the key, some with a wrong one or none; between them
 * raw bytes that are barely HTTP, and connections that send a byte now and then and never finish. Prints the answers by
 * status, the server's memory over time, and what a decent caller waits meanwhile.
 *
 * Run (Linux): node --conditions=claude-agent-source bench/hostile.ts [requests=100000] [seed]
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import {
  anyRequest,
  type FuzzRequest,
  type KnownIds,
  withIds,
} from '../packages/server/test/support/requests.ts';
import { startProgram } from './support/child.ts';
import { memoryOf, openFiles } from './support/process.ts';
import { median, printTable, quantile } from './support/table.ts';

const AT_ONCE = 32;
/** Requests from one seed of the generator. */
const BATCH = 1_000;
/** Connections that never finish their request. */
const SLOW = 200;
/** Longer than any honest answer but one to a message behind others. */
const HANG_MS = 60_000;
/** 40 messages of a second each for two agents, many times over: a machine with much else to do is slow. */
const DRAIN_MS = 300_000;
const KEY = 'key-of-the-bench';

/** Bytes that no client library sends. */
const RAW: readonly string[] = [
  'GET /sessions HTTP/1.1\r\nhost: 127.0.0.1\r\nx-a: b\r\n evil: folded\r\n\r\n',
  'POST /sessions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\n\r\n',
  'POST /sessions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef',
  'GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nx-request-id: a\nb\u001b[2J"},{"level":60\r\n\r\n',
  'GET / HTTP/1.1\r\nhost: evil.example\r\norigin: https://evil.example\r\n\r\n',
  'GET /events HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: upgrade\r\norigin: https://evil.example\r\n\r\n',
  `GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n${'x: y\r\n'.repeat(5_000)}\r\n`,
  '\u0016\u0003\u0001\u0002\u0000\u0001',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
];

/**
 * What is told of an answer 5xx, or of none: it failed, or it says when to try again (load), or it waits for its turn, as a message
 * without `Prefer: respond-async` asks to, behind those that run.
 */
type Kind = 'failed' | 'load' | 'waits';

/** How often; one for each sentence, apart from the ids in it. */
interface Failure {
  count: number;
  kind: Kind;
}

interface Seen {
  answers: Map<number, number>;
  failures: Map<string, Failure>;
}

export async function benchHostile(requests = 100_000, seed = Date.now() % 1e9): Promise<void> {
  console.log(`seed ${seed}`);
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'bench-hostile-')));
  const [work, home, config] = [join(base, 'work'), join(base, 'home'), join(base, 'config.json')];
  mkdirSync(work);
  const limits = { per_key: { live_sessions: 450, queued_turns: 40 } };
  writeFileSync(
    config,
    JSON.stringify({ max_sessions: 500, max_queued_turns: 50, sleep_after_seconds: 5, limits }),
  );
  // As it is published.
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: join(import.meta.dirname, '..') });
  const server = await startProgram('packages/server/dist/bin.js', {
    args: [
      '--port',
      '0',
      '--home',
      home,
      '--root',
      work,
      '--config',
      config,
      '--demo',
      '--spares',
      '0',
      '--max-live-agents',
      '2',
    ],
    env: { HOME: base, IS_SANDBOX: '1', AGENT_SERVER_API_KEY: KEY, AGENT_SERVER_LOG_LEVEL: 'error' },
    built: true,
  });
  const seen: Seen = { answers: new Map(), failures: new Map() };
  const ids = {
    session: [],
    turn: [],
    permission: [],
    turnSession: [],
    permissionSession: [],
    webhook: [],
    delivery: [],
    subscription: [],
  } satisfies KnownIds as Record<keyof KnownIds, string[]>;
  const memory: number[] = [];
  const waits: number[] = [];
  const stop = new AbortController();
  const slow = holdSlowConnections(server.url, stop.signal);
  const decent = askDecently(server.url, waits, stop.signal);
  try {
    for (let done = 0; done < requests; done += BATCH) {
      await sendBatch(server.url, seed + done, ids, seen);
      for (const text of RAW) await sendRaw(server.url, text, seen);
      await learnIds(server.url, ids);
      memory.push(memoryOf(server.pid).now);
      const spread = [...seen.answers]
        .sort(([a], [b]) => a - b)
        .map(([status, count]) => `${status}: ${count}`);
      console.log(
        `${done + BATCH}: ${memory.at(-1)?.toFixed(0)} MB, ${openFiles(server.pid)} files; ${spread.join(' ')}`,
      );
    }
    stop.abort();
    await Promise.all([slow, decent]);
    await drain(server.url, seen);
    const half = Math.floor(memory.length / 2);
    const all = [...seen.failures.values()];
    const sum = (some: Failure[]): string => String(some.reduce((total, { count }) => total + count, 0));
    const of = (kind: Kind): Failure[] => all.filter((each) => each.kind === kind);
    printTable(
      `${requests} hostile requests`,
      ['', ''],
      [
        ['failed: 5xx, no answer, or a turn that does not end', sum(of('failed'))],
        ['refused for load (503 with Retry-After)', sum(of('load'))],
        [`messages that waited for their turn for ${HANG_MS / 1_000} s and left`, sum(of('waits'))],
        ['memory, first half (median)', `${median(memory.slice(0, half)).toFixed(0)} MB`],
        ['memory, second half', `${median(memory.slice(half)).toFixed(0)} MB`],
        ['memory, most', `${memoryOf(server.pid).most.toFixed(0)} MB`],
        ['GET /health meanwhile, median', `${median(waits).toFixed(1)} ms`],
        ['GET /health meanwhile, p99', `${quantile(waits, 0.99).toFixed(1)} ms`],
      ],
    );
    for (const [what, { count }] of seen.failures) console.log(`${count} × ${what}`);
    if (of('failed').length > 0) process.exitCode = 1;
  } finally {
    stop.abort();
    await server.stop();
    rmSync(base, { recursive: true, force: true });
  }
}

const ID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

function note({ failures }: Seen, what: string, request: string, kind: Kind = 'failed'): void {
  const sentence = what.replaceAll(ID, '…').slice(0, 600);
  const known = failures.get(sentence);
  // At once: a run takes an hour.
  if (!known) console.log(`${sentence}\n    ${request}`);
  failures.set(sentence, { count: (known?.count ?? 0) + 1, kind });
}

/** Most callers have the key: what is refused at the door tests only the door. */
function credentials(index: number): Record<string, string> {
  if (index % 20 === 0) return {};
  return { authorization: `Bearer ${index % 20 === 1 ? `${KEY}x` : KEY}` };
}

async function sendBatch(url: string, seed: number, ids: KnownIds, seen: Seen): Promise<void> {
  const queue = fc.sample(anyRequest(), { seed, numRuns: BATCH }).entries();
  const work = async (): Promise<void> => {
    for (const [index, request] of queue) await send(url, request, credentials(index), ids, seen);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function send(
  url: string,
  request: FuzzRequest,
  key: Record<string, string>,
  ids: KnownIds,
  seen: Seen,
): Promise<void> {
  let made: Request;
  try {
    made = new Request(url + withIds(request.path, ids), {
      method: request.method,
      headers: { 'content-type': 'application/json', ...request.headers, ...key },
      ...(request.body !== undefined &&
        !/^(get|head)$/i.test(request.method) && { body: withIds(request.body, ids) }),
      signal: AbortSignal.timeout(HANG_MS),
    });
  } catch {
    return; // no client can send this
  }
  const body = withIds(request.body ?? '', ids).slice(0, 1_000);
  const asked = `${request.method} ${made.url.slice(0, 300)} ${JSON.stringify(request.headers)} ${body}`;
  try {
    const response = await fetch(made);
    count(seen, response.status);
    if (response.headers.get('content-type')?.includes('text/event-stream')) {
      const reader = response.body?.getReader();
      await Promise.race([reader?.read(), sleep(2)]);
      await reader?.cancel();
      return;
    }
    const text = await response.text();
    if (response.status >= 500) {
      const { code = 'unknown', detail = text.slice(0, 300) } = JSON.parse(text) as Record<string, string>;
      const isLoad = response.status === 503 && response.headers.has('retry-after');
      const what = `${response.status} ${code}: ${detail}`;
      note(
        seen,
        what,
        isLoad ? asked : `${asked} → ${await stateOf(url, asked)}`,
        isLoad ? 'load' : 'failed',
      );
    }
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError') {
      const what = `no answer in ${HANG_MS / 1_000} s to ${request.method} ${made.url.slice(url.length, 300)}`;
      const state = await stateOf(url, asked);
      // Whether its turn ends is looked at in the end.
      const waits = /messages/.test(asked) && /"state":"(running|waiting|background)"/.test(state);
      note(seen, what, `${asked} → ${state}`, waits ? 'waits' : 'failed');
    }
    // A connection that the server closes is an answer too: the request was no HTTP.
  }
}

/** Every turn that asks nobody must end, once nothing more comes. */
async function drain(url: string, seen: Seen): Promise<void> {
  const until = performance.now() + DRAIN_MS;
  const headers = { authorization: `Bearer ${KEY}` };
  for (;;) {
    const response = await fetch(`${url}/sessions?limit=500`, { headers });
    const { sessions } = (await response.json()) as { sessions: Record<string, unknown>[] };
    const running = sessions.filter(({ state }) => state === 'running');
    if (running.length === 0) return;
    if (performance.now() > until) {
      for (const session of running) note(seen, 'a turn that does not end', JSON.stringify(session));
      return;
    }
    await sleep(1_000);
  }
}

/** What the session of a request does. */
async function stateOf(url: string, asked: string): Promise<string> {
  const [, id] = /sessions\/([0-9a-f-]{36})/.exec(asked) ?? [];
  const read = async (path: string): Promise<string> => {
    const headers = { authorization: `Bearer ${KEY}` };
    return (await fetch(url + path, { headers, signal: AbortSignal.timeout(5_000) })).text();
  };
  if (id === undefined) return 'no session';
  try {
    const turns = await read(`/sessions/${id}/turns?state=running`);
    return `${await read(`/sessions/${id}/status`)} ${turns.slice(0, 1_000)}`;
  } catch (error) {
    return String(error);
  }
}

const count = ({ answers }: Seen, status: number): void =>
  void answers.set(status, (answers.get(status) ?? 0) + 1);

async function sendRaw(url: string, text: string, seen: Seen): Promise<void> {
  const socket = open(url);
  socket.end(text, 'latin1');
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1');
    // A stream that was opened goes on until somebody leaves.
    if (answer.includes('text/event-stream')) socket.destroy();
  });
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0);
  if (status > 0) count(seen, status);
  if (status >= 500) note(seen, `${status}`, JSON.stringify(text.slice(0, 200)));
}

function open(url: string): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  return socket;
}

/** Each sends one more byte of a header every second, and starts again when the server has had enough. */
async function holdSlowConnections(url: string, signal: AbortSignal): Promise<void> {
  let sockets: Socket[] = [];
  while (!signal.aborted) {
    sockets = sockets.filter((socket) => !socket.destroyed);
    while (sockets.length < SLOW) {
      const socket = open(url);
      socket.write('GET /sessions HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ');
      sockets.push(socket);
    }
    for (const socket of sockets) socket.write('y');
    await sleep(1_000, undefined, { signal }).catch(() => {});
  }
  for (const socket of sockets) socket.destroy();
}

/** A caller with nothing in mind: what it waits, in ms. */
async function askDecently(url: string, waits: number[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const begin = performance.now();
    const response = await fetch(`${url}/health`);
    await response.arrayBuffer();
    waits.push(performance.now() - begin);
    await sleep(100, undefined, { signal }).catch(() => {});
  }
}

/** Ids that exist by now: without them most requests would stop at a 404. */
async function learnIds(url: string, ids: Record<keyof KnownIds, string[]>): Promise<void> {
  const get = async (path: string): Promise<Record<string, Record<string, string>[]>> => {
    const response = await fetch(url + path, { headers: { authorization: `Bearer ${KEY}` } });
    return (await response.json()) as Record<string, Record<string, string>[]>;
  };
  const known = (value: string | undefined): string => value ?? '';
  const { sessions = [] } = await get('/sessions?limit=50');
  ids.session = sessions.map((each) => known(each.session_id));
  const { permissions = [] } = await get('/permissions?limit=50');
  ids.permission = permissions.map((each) => known(each.request_id));
  ids.permissionSession = permissions.map((each) => known(each.session_id));
  [ids.turn, ids.turnSession] = [[], []];
  for (const session of ids.session.slice(0, 5)) {
    const { turns = [] } = await get(`/sessions/${session}/turns?limit=10`);
    ids.turn.push(...turns.map((each) => known(each.turn_id)));
    ids.turnSession.push(...turns.map(() => session));
  }
}

if (import.meta.main) await benchHostile(...process.argv.slice(2).map(Number));
