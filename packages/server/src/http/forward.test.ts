import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Hono } from 'hono';
import { afterEach, expect, test } from 'vitest';
import type { NodeAddress } from '../cluster/directory.ts';
import { AppError } from '../errors.ts';
import { type HttpEnv, LEAVES_HEADER, NODE_HEADER, NOT_HERE } from './auth.ts';
import { createForwarding, type Forwarding } from './forward.ts';
import { createNodeProof } from './node-proof.ts';

const CALLER = { kind: 'key', id: 'mine', tenant: 'default', role: 'admin' } as const;

const proof = createNodeProof('secret');
const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A node that records what it is sent. */
async function node(id: string, answer: Answer) {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const stop = (): Promise<void> => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  cleanups.push(stop);
  return { id, address: `http://127.0.0.1:${port}`, stop };
}

/** This node: it asks who owns the session before each try. */
function here(owners: (NodeAddress | undefined)[], patienceMs = 2000) {
  const dead = new AbortController();
  const next = () => (owners.length > 1 ? owners.shift() : owners[0]);
  const forwarding: Forwarding = createForwarding({
    ownership: {
      owns: () => false,
      async acquire() {
        const owner = next();
        return owner ? { owned: false, node: owner } : { owned: true, open: false };
      },
    },
    directory: { locate: async () => undefined, folderOf: async () => undefined, gone: () => dead.signal },
    placement: { elsewhere: () => undefined, of: () => ({ node: undefined, missing: false }) },
    sharedFolders: true,
    proof,
    patienceMs,
  });
  cleanups.push(() => forwarding.close());
  const app = new Hono<HttpEnv>();
  app.onError((error, c) =>
    error instanceof AppError
      ? c.json({ code: error.code }, error.status as 503)
      : c.json({ code: 'bug' }, 500),
  );
  app.all('*', async (c) => {
    c.set('principal', CALLER);
    if (c.req.header('passed-on')) c.set('passedOn', true);
    return (await forwarding.forward(c, 's')) ?? c.text(`here: ${await c.req.text()}`);
  });
  return { ask: (path: string, init?: RequestInit) => app.request(path, init), die: () => dead.abort() };
}

const echo: Answer = async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const principal = proof.verify(String(request.headers[NODE_HEADER]));
  response.setHeader('x-more', 'yes').writeHead(202);
  response.end(JSON.stringify({ method: request.method, url: request.url, body, principal }));
};

const post = { method: 'POST', body: '{"message":"hi"}', headers: { 'content-type': 'application/json' } };

test('a request goes to the owner with its body, query and principal, and the answer comes back', async () => {
  const { ask } = here([await node('a', echo)]);
  const answer = await ask('/sessions/s/messages?x=1', post);
  expect(answer.status).toBe(202);
  expect(answer.headers.get('x-more')).toBe('yes');
  expect(await answer.json()).toEqual({
    method: 'POST',
    url: '/sessions/s/messages?x=1',
    body: post.body,
    principal: CALLER,
  });
});

test('the session is looked for again when its node is not there, or has it no more; then this node may answer', async () => {
  const gone = await node('gone', echo);
  await gone.stop();
  const former = await node('former', (_, response) => response.writeHead(NOT_HERE).end());
  const { ask } = here([gone, former, undefined]);
  const answer = await ask('/sessions/s/messages', post);
  expect(await answer.text()).toBe(`here: ${post.body}`);
});

test('nothing is sent again to a node that gives the session up: it may end at any moment', async () => {
  let asked = 0;
  const leaving = await node('leaving', (request, response) => {
    asked += 1;
    if (asked > 1) request.socket.destroy();
    else response.writeHead(NOT_HERE, { [LEAVES_HEADER]: '1' }).end();
  });
  const old = { ...leaving, incarnation: 'one' };
  const next = { ...(await node('leaving', echo)), incarnation: 'two' };
  const { ask } = here([old, old, old, next]);
  expect((await ask('/sessions/s/messages', post)).status).toBe(202);
  expect(asked).toBe(1);
});

test('a message that a dying node may have taken is sent again only under its key', async () => {
  const dying = await node('dying', (request) => request.socket.destroy());
  const other = await node('other', echo);
  const refused = await here([dying, other]).ask('/sessions/s/messages', post);
  expect([refused.status, await refused.json()]).toEqual([503, { code: 'owner_unreachable' }]);
  const keyed = { ...post, headers: { ...post.headers, 'idempotency-key': 'k' } };
  expect((await here([dying, other]).ask('/sessions/s/messages', keyed)).status).toBe(202);
  expect((await here([dying, other]).ask('/sessions/s')).status).toBe(202);
});

test('a node that has lost its lease while it was asked is not waited for', async () => {
  let asked = (): void => {};
  const reached = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const frozen = await node('frozen', () => asked());
  const { ask, die } = here([frozen, undefined]);
  const answer = ask('/sessions/s');
  await reached;
  die();
  expect(await (await answer).text()).toBe('here: ');
});

test('without any node that answers it gives up', async () => {
  const gone = await node('gone', echo);
  await gone.stop();
  const answer = await here([gone], 150).ask('/sessions/s');
  expect([answer.status, await answer.json()]).toEqual([503, { code: 'owner_unreachable' }]);
});

test('a request that was passed on is not passed on again', async () => {
  const { ask } = here([await node('a', echo)]);
  const answer = await ask('/sessions/s', { headers: { 'passed-on': '1' } });
  expect([answer.status, await answer.text()]).toEqual([NOT_HERE, '']);
});

test('a stream comes as it is written, and ends at the owner when its reader leaves', async () => {
  let left = (): void => {};
  const ended = new Promise<void>((resolve) => {
    left = resolve;
  });
  const owner = await node('a', (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('id: 1\n\n');
    response.on('close', left);
  });
  const { ask } = here([owner]);
  const reader = (await ask('/sessions/s/events')).body?.getReader();
  expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('id: 1\n\n');
  await reader?.cancel();
  await ended;
});
