import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Problem, problemsOf, type RouteSpec, routes } from 'claude-agent-protocol';
import type { ProblemCode } from 'claude-agent-protocol/problems';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createInProcess, type InProcess } from './support/in-process.ts';
import {
  anyRequest,
  type FuzzRequest,
  type KnownIds,
  ROUTES,
  type RouteName,
  withIds,
} from './support/requests.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

// Whatever is sent, the answer is one of those that the contract documents: never a 5xx, a hang or a crash.

/** A failure prints its seed and path; set FUZZ_SEED to look elsewhere. */
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_124);
/** Requests that are under way at once. */
const AT_ONCE = 8;
/** The slowest honest answer takes a tenth of this: two questions that nobody answers, behind a queue. */
const HANG_MS = 10_000;

const rejections: unknown[] = [];
const onRejection = (reason: unknown): void => void rejections.push(reason);
beforeEach(() => void process.on('unhandledRejection', onRejection));
afterEach(() => void process.off('unhandledRejection', onRejection));

interface Seen {
  status: number;
  headers: Headers;
  text: string;
}

/** A broken path leads past the route that was meant. */
const ELSEWHERE = new Set(['route_not_found', 'not_found', 'method_not_allowed']);

/** What is wrong with an answer, if anything is. */
function complaint(request: FuzzRequest, { status, headers, text }: Seen): string | undefined {
  if (status >= 500) return 'a 5xx';
  const type = headers.get('content-type') ?? '';
  const spec: RouteSpec | undefined = request.route && routes[request.route];
  const gateway = text.startsWith('{"type":"error"');
  if (status >= 400) {
    // A HEAD has no body, through /invocations neither.
    if (text === '' && /HEAD/i.test(`${request.method} ${request.body}`)) return undefined;
    if (gateway) return JSON.parse(text).error?.message ? undefined : 'no error envelope';
    const problem = Problem.safeParse(JSON.parse(text));
    if (!problem.success || !type.includes('problem+json')) return 'an error that is no problem document';
    if (problem.data.status !== status) return 'a problem with another status than the answer';
    if (problem.data.detail.length < 20) return 'a problem without a helpful sentence';
  }
  if (!spec || spec.tag === 'gateway') return undefined;
  if (status >= 400) {
    const { code } = JSON.parse(text) as Problem;
    const onTheWay = request.path === '/invocations' && problemsOf(routes.invoke).has(code as ProblemCode);
    return problemsOf(spec).has(code as ProblemCode) || ELSEWHERE.has(code) || onTheWay
      ? undefined
      : `the problem ${code}, which the route does not declare`;
  }
  if (status === 302 && spec.responses[status]) return undefined;
  if (status !== 200 && status !== 202) return 'a status that the contract does not name';
  const schema = type.includes('application/json') ? spec.responses[status]?.schema : undefined;
  const parsed = schema?.safeParse(JSON.parse(text));
  return parsed?.success === false
    ? `a body that the contract does not know: ${parsed.error.message}`
    : undefined;
}

/**
 * These need an exported session, a message that is still queued, a background task, or a hook or tool that waits (the agent that only
 * pretends has none): a generated request meets them by chance only.
 */
const BY_CHANCE = new Set<RouteName>([
  // The first key closes the server to requests without one, so none is made.
  'createKey',
  'patchKey',
  'rotateKey',
  'revokeKey',
  'importSession',
  'cancelTurn',
  'stopTask',
  'respondHook',
  'respondTool',
  'signIn',
  'renewSignIn',
]);

/** Reads all of an answer, or of a stream what it says at once. */
async function read(response: Response): Promise<Seen> {
  const { status, headers } = response;
  if (!headers.get('content-type')?.includes('text/event-stream')) {
    return { status, headers, text: await response.text() };
  }
  const reader = response.body?.getReader();
  const first = await Promise.race([reader?.read(), sleep(2)]);
  await reader?.cancel();
  return { status, headers, text: first?.value ? new TextDecoder().decode(first.value) : '' };
}

const show = ({ method, path, headers, body }: FuzzRequest, seen?: Seen): string =>
  [
    seen && `answered ${seen.status} ${seen.text.slice(0, 500)}`,
    `to ${method} ${path.slice(0, 500)} ${JSON.stringify(headers)} ${body?.slice(0, 1_000) ?? ''}`,
  ]
    .filter(Boolean)
    .join(' ');

async function inTime<T>(work: Promise<T>, request: FuzzRequest): Promise<T> {
  const late = new AbortController();
  try {
    return await Promise.race([
      work,
      sleep(HANG_MS, undefined, { signal: late.signal }).then(() => {
        throw new Error(`no answer in ${HANG_MS} ms: ${show(request)}`);
      }),
    ]);
  } finally {
    late.abort();
  }
}

describe('the application, with a fake agent', () => {
  let server: InProcess;
  const ids = {
    session: [] as string[],
    turn: [] as string[],
    turnSession: [] as string[],
    permission: [] as string[],
    permissionSession: [] as string[],
    webhook: [] as string[],
    delivery: [] as string[],
    subscription: [] as string[],
  } satisfies KnownIds;
  const counts = { all: 0, byStatus: new Map<number, number>(), served: new Set<RouteName>() };
  beforeAll(() => {
    server = createInProcess();
  });
  afterAll(() => server.close());

  /** New ones are where things happen; with too many, no two requests would meet. */
  const keep = (list: string[], id: string): void => {
    list.push(id);
    if (list.length > 12) list.shift();
  };
  const note = (text: string): void => {
    for (const [, session = '', turn] of text.matchAll(
      /"session_id":"([0-9a-f-]{36})"(?:,"turn_id":"([0-9a-f-]{36})")?/g,
    )) {
      if (!ids.session.includes(session)) keep(ids.session, session);
      if (!turn || ids.turn.includes(turn)) continue;
      keep(ids.turn, turn);
      keep(ids.turnSession, session);
    }
  };

  const send = async (request: FuzzRequest): Promise<void> => {
    const sent = { ...request, path: withIds(request.path, ids) };
    let made: Request;
    try {
      made = new Request(`http://127.0.0.1:8000${sent.path}`, {
        method: sent.method,
        headers: { host: '127.0.0.1:8000', ...sent.headers },
        ...(sent.body !== undefined &&
          sent.method.toUpperCase() !== 'GET' &&
          sent.method !== 'HEAD' && { body: withIds(sent.body, ids) }),
      });
    } catch {
      return; // no client can send this
    }
    const seen = await inTime(server.fetch(made).then(read), sent);
    counts.all++;
    counts.byStatus.set(seen.status, (counts.byStatus.get(seen.status) ?? 0) + 1);
    if (request.route && seen.status < 400) counts.served.add(request.route);
    note(seen.text);
    const wrong = complaint(sent, seen);
    if (wrong) throw new Error(`${wrong}: ${show(sent, seen)}`);
  };

  const noteWebhooks = async (): Promise<void> => {
    const { webhooks } = server.store;
    const tenant = 'default';
    ids.webhook = (await webhooks.list(tenant)).map(({ id }) => id);
    ids.subscription = (await server.store.push.list(tenant, 'local')).map(({ id }) => id);
    const [webhookId = ''] = ids.webhook;
    ids.delivery = (await webhooks.deliveries({ tenant, webhookId, limit: 9 })).map(({ id }) => id);
  };

  test('at least 5,000 requests, valid and invalid, many concurrent', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          anyRequest((name) => name !== 'createKey'),
          { minLength: AT_ONCE, maxLength: AT_ONCE },
        ),
        async (requests) => {
          const { permissions: pending } = await server.store.pendingPermissions();
          ids.permission = pending.map(({ id }) => id);
          ids.permissionSession = pending.map(({ sessionId }) => sessionId);
          await noteWebhooks();
          await Promise.all(requests.map(send));
          expect(server.errors).toEqual([]);
        },
      ),
      { seed: SEED, numRuns: 760, endOnFailure: true },
    );
    expect(counts.all).toBeGreaterThan(5_000);
    // The requests are worth something only if many are served, and many refused.
    const served = [...counts.byStatus].filter(([status]) => status < 300).reduce((sum, [, n]) => sum + n, 0);
    expect(served / counts.all).toBeGreaterThan(0.25);
    expect(served / counts.all).toBeLessThan(0.75);
    expect([...counts.byStatus.keys()]).toEqual(
      expect.arrayContaining([200, 202, 400, 403, 404, 409, 413, 422]),
    );
    // `invoke` is how a fifth of them travelled; what the gateway serves is more than its schema here says.
    const missing = ROUTES.filter(
      ([name, { tag }]) =>
        tag !== 'gateway' && name !== 'invoke' && !BY_CHANCE.has(name) && !counts.served.has(name),
    );
    expect(missing.map(([name]) => name)).toEqual([]);
    expect(rejections).toEqual([]);
  }, 120_000);

  test('after that, no log has a gap, every turn ends, and every session can be closed', async () => {
    const { sessions } = await server.store.listSessions({ status: 'all', limit: 100_000 });
    expect(sessions.length).toBeGreaterThan(20);
    for (const { id, status } of sessions) {
      if (status === 'connected') await server.sessions.close(id);
      const events = await server.store.readEvents(id, 0, 100_000);
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    }
    expect(await server.store.openTurns('queued')).toEqual([]);
    expect(await server.store.openTurns('running')).toEqual([]);
    expect((await server.store.pendingPermissions()).permissions).toEqual([]);
    expect(server.sessions.countOpen()).toBe(0);
    expect(server.errors).toEqual([]);
  });
});

describe('the real server', () => {
  const authorization = 'Bearer key-of-the-hostile';
  let server: TestServer;
  /** More of them than agents that may run: what one key asks for beyond that is its own excess, and no 5xx. */
  let sessions: string[];
  beforeAll(async () => {
    server = await startTestServer({
      args: ['--max-live-agents', '2'],
      env: { AGENT_SERVER_API_KEY: 'key-of-the-hostile' },
    });
    const made = [0, 1, 2].map(() =>
      server.call<{ session_id: string }>(
        'POST',
        '/sessions',
        { start: 'lazy' },
        { headers: { authorization } },
      ),
    );
    sessions = (await Promise.all(made)).map(({ body }) => body.session_id);
  });
  afterAll(() => cleanUp(server));

  const alive = async (): Promise<void> => {
    expect((await server.call('GET', '/health')).body).toMatchObject({ status: 'healthy' });
    expect(server.stderr()).not.toMatch(/"level":[56]0|unhandled|uncaught|Error:/i);
  };

  // Agent processes are too slow to be started by the hundred, and a few sessions are enough for the rest.
  const cheap = (name: RouteName): boolean =>
    !['createSession', 'forkSession', 'closeSession', 'createKey'].includes(name);

  test('hundreds of generated requests over its socket', async () => {
    const ids: KnownIds = {
      session: sessions,
      turn: [],
      turnSession: [],
      permission: [],
      permissionSession: [],
      webhook: [],
      delivery: [],
      subscription: [],
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyRequest(cheap), { minLength: AT_ONCE, maxLength: AT_ONCE }),
        async (requests) => {
          await Promise.all(
            requests.map(async (request) => {
              const { method, path, headers, body } = { ...request, path: withIds(request.path, ids) };
              let answer: Promise<Response>;
              try {
                const made = new Request(server.url + path, {
                  method,
                  headers: { ...headers, authorization },
                  ...(body !== undefined &&
                    !['GET', 'HEAD'].includes(method.toUpperCase()) && { body: withIds(body, ids) }),
                });
                answer = fetch(made);
              } catch {
                return; // no client can send this
              }
              const seen = await inTime(answer.then(read), request);
              const wrong = complaint({ ...request, path }, seen);
              if (wrong) throw new Error(`${wrong}: ${show(request, seen)}`);
            }),
          );
        },
      ),
      { seed: SEED, numRuns: 40, endOnFailure: true },
    );
    await alive();
  }, 120_000);

  test('requests that are barely HTTP', async () => {
    const line = fc.constantFrom(
      'GET /health HTTP/1.1',
      'GET /sessions/../../etc/passwd HTTP/1.1',
      'GET http://elsewhere.example/health HTTP/1.1',
      'GET //elsewhere.example/ HTTP/1.1',
      'GET * HTTP/1.1',
      'OPTIONS * HTTP/1.1',
      'GET /sessions/%00 HTTP/1.1',
      'GET /\u0000 HTTP/1.1',
      'GET /é?ü=%zz HTTP/1.1',
      'POST /sessions HTTP/1.0',
      'POST /sessions HTTP/9.9',
      'CONNECT elsewhere.example:80 HTTP/1.1',
      'PRI * HTTP/2.0',
      'nonsense',
      '',
    );
    const header = fc.constantFrom(
      'host: 127.0.0.1',
      'host:',
      'host: elsewhere.example',
      'content-length: 5',
      'content-length: -1',
      'content-length: 99999999999999999999',
      'transfer-encoding: chunked',
      'transfer-encoding: banana',
      'content-type: application/json',
      'content-encoding: gzip',
      'expect: 100-continue',
      'upgrade: websocket',
      'connection: upgrade',
      'last-event-id: 99999999999999999999',
      'accept: text/event-stream',
      `x-long: ${'y'.repeat(20_000)}`,
      ': no name',
      'no colon',
    );
    const body = fc.constantFrom(
      '',
      '{}',
      'a\r\n{"a":1}\r\n0\r\n\r\n',
      'zz\r\n',
      '\u0000'.repeat(100),
      '{"model": 7}',
    );
    const text = fc
      .tuple(line, fc.array(header, { maxLength: 4 }), body)
      .map(([first, headers, rest]) => `${[first, ...headers].join('\r\n')}\r\n\r\n${rest}`);
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: AT_ONCE, maxLength: AT_ONCE }), async (texts) => {
        const answers = await Promise.all(texts.map(raw));
        for (const [index, answer] of answers.entries()) {
          expect(answer, `to ${JSON.stringify(texts[index])}`).not.toMatch(/^HTTP\/1.1 5/);
        }
      }),
      { seed: SEED, numRuns: 25, endOnFailure: true },
    );
    await alive();
  }, 120_000);

  /** Sends bytes, hangs up in the middle or after a moment, and gives back what was said until then. */
  async function raw(text: string): Promise<string> {
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    let said = '';
    socket.on('data', (chunk: Buffer) => {
      said += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    await once(socket, 'connect');
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const answered = new Promise((resolve) => socket.once('data', resolve));
    socket.write(Buffer.from(text, 'utf8'));
    // Some of these wait for more; the server is right to wait with them.
    await Promise.race([closed, answered, sleep(50)]);
    socket.destroy();
    return said;
  }
});
