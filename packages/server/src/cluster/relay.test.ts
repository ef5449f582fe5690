import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { EventType } from 'claude-agent-protocol';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sampleSession } from '../../test/support/samples.ts';
import { createFeed, type Feed } from '../events/feed.ts';
import { createLog, event, type Log } from '../events/log.ts';
import { streamSession } from '../events/stream.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import type { Store } from '../store/store.ts';
import { createSoleOwnership } from './ownership.ts';
import { createRelay, type Relay } from './relay.ts';

const S = '00000000-0000-4000-8000-00000000000a';
const T = '10000000-0000-4000-8000-000000000001';

let store: Store;
/** The owner's side. */
let owner: { feed: Feed; log: Log; server: Server; address: string; connections: number };
/** This node's side. */
let feed: Feed;
let relay: Relay;
let located: { id: string; address: string } | undefined;
let owned: boolean;
let changed: () => void;
let dead: AbortController;
let ends: (() => void)[];

beforeEach(async () => {
  store = openSqliteStore(':memory:');
  await store.write([{ kind: 'insert-session', session: sampleSession({ id: S }) }]);
  const theirs = createFeed();
  owner = {
    feed: theirs,
    log: createLog({ ownership: createSoleOwnership(store), feed: theirs }),
    connections: 0,
    address: '',
    server: createServer(
      getRequestListener((request) => {
        owner.connections++;
        if (request.headers.get('x-proof') !== 'mine') return new Response('', { status: 401 });
        const after = Number(request.headers.get('last-event-id'));
        const body = streamSession({ store, feed: theirs }, { sessionId: S, after });
        return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
      }),
    ),
  };
  await new Promise<void>((resolve) => owner.server.listen(0, '127.0.0.1', resolve));
  owner.address = `http://127.0.0.1:${(owner.server.address() as AddressInfo).port}`;
  located = { id: 'owner', address: owner.address };
  owned = false;
  dead = new AbortController();
  ends = [];
  feed = createFeed((id) => relay.follow(id));
  relay = createRelay(feed, {
    store,
    directory: {
      locate: async () => located,
      folderOf: async () => undefined,
      gone: () => dead.signal,
      onChange(_, listener) {
        changed = listener;
        return () => {};
      },
    },
    owns: () => owned,
    headers: () => ({ 'x-proof': 'mine' }),
    onError: (error) => {
      throw error;
    },
  });
});
afterEach(async () => {
  for (const end of ends) end();
  await relay.close();
  owner.server.closeAllConnections();
  await new Promise((resolve) => owner.server.close(resolve));
  await store.close();
});

/** A subscriber on this node. */
function read(after = 0) {
  const reader = streamSession({ store, feed }, { sessionId: S, after }).getReader();
  let text = '';
  const end = (): void => void reader.cancel();
  ends.push(end);
  return {
    text: () => text,
    async until(wanted: string): Promise<string> {
      while (!text.includes(wanted)) {
        const { value, done } = await reader.read();
        if (done) throw new Error(`The stream ended: ${text}`);
        text += Buffer.from(value).toString();
      }
      return text;
    },
    end,
  };
}

const append = (type: EventType, turnId: string | null = T) =>
  owner.log.write(S, [event(S, type, { type: 'user' } as never, turnId)]);
const delta = (more: Record<string, unknown>) =>
  owner.log.live(S, T, { type: 'stream_event', parent_tool_use_id: null, event: more });
const word = (text: string) =>
  delta({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } });

async function beginBlock(): Promise<void> {
  await append('turn.started');
  delta({ type: 'message_start', message: { id: 'm' } });
  delta({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } });
}

test('subscribers get the events and tokens of the owner, over one connection', async () => {
  const [one, two] = [read(), read()];
  await append('agent.message');
  await Promise.all([one.until('id: 1\n'), two.until('id: 1\n')]);
  await beginBlock();
  word('Hello');
  word(' there');
  await append('agent.message');
  const text = await one.until('id: 3\n');
  expect([...text.matchAll(/"text":"([^"]+)"/g)].map((match) => match[1])).toEqual(['Hello', ' there']);
  expect(text.indexOf(' there')).toBeLessThan(text.indexOf('id: 3\n'));
  await two.until('id: 3\n');
  expect(owner.connections).toBe(1);
});

test('a late subscriber learns what the unfinished block holds, on the first relay and on the next', async () => {
  await beginBlock();
  word('Hel');
  const first = read();
  await first.until('"text":"Hel"');
  word('lo');
  await first.until('"text":"lo"');
  const second = read();
  expect(await second.until('agent.partial')).toContain('"text":"Hello"');
  first.end();
  second.end();
  word('!');
  expect(await read().until('agent.partial')).toContain('"text":"Hello!"');
});

test('without an owner the events come from the store; with one again, from it', async () => {
  located = undefined;
  const reader = read();
  await append('agent.message');
  await reader.until('connected');
  await append('agent.message');
  changed();
  await reader.until('id: 2\n');
  located = { id: 'owner', address: owner.address };
  changed();
  await append('turn.started');
  await reader.until('id: 3\n');
  word('live');
  await reader.until('"live"');
});

test('a dead owner is left, and nothing that was committed is missing', async () => {
  const reader = read();
  await append('turn.started');
  await reader.until('id: 1\n');
  located = undefined;
  await store.write([event(S, 'agent.message', { type: 'user' })]);
  dead.abort();
  await reader.until('id: 2\n');
  await store.write([event(S, 'turn.interrupted', {} as never, T)]);
  changed();
  await reader.until('id: 3\n');
  expect([...reader.text().matchAll(/^id: (\d+)$/gm)].map((match) => match[1])).toEqual(['1', '2', '3']);
});

test('once this node owns the session its own log publishes, without a gap', async () => {
  const reader = read();
  await append('turn.started');
  await reader.until('id: 1\n');
  owned = true;
  // Written by the former owner, and not relayed any more.
  await append('agent.message');
  const mine = createLog({ ownership: createSoleOwnership(store), feed });
  await mine.write(S, [event(S, 'agent.message', { type: 'user' }, T)]);
  await reader.until('id: 3\n');
  expect([...reader.text().matchAll(/^id: (\d+)$/gm)].map((match) => match[1])).toEqual(['1', '2', '3']);
});
