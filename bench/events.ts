/**
 * What one session's log can carry: SSE frames per second to many readers, and durable appends per second.
 *
 * Run: node --conditions=claude-agent-source bench/events.ts [runs=5] [deliveries=200000]
 */
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { createSoleOwnership } from '../packages/server/src/cluster/ownership.ts';
import { createFeed } from '../packages/server/src/events/feed.ts';
import { createLog, event } from '../packages/server/src/events/log.ts';
import type { HttpEnv } from '../packages/server/src/http/auth.ts';
import type { AppDeps } from '../packages/server/src/http/deps.ts';
import { eventRoutes } from '../packages/server/src/http/routes/events.ts';
import { openSqliteStore } from '../packages/server/src/store/sqlite.ts';
import { sampleSession } from '../packages/server/test/support/samples.ts';
import { median, printTable } from './support/table.ts';

const SUBSCRIBERS = fileURLToPath(new URL('./support/subscribers.ts', import.meta.url));
/** Processor time of this process so far, of all its threads. */
const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

/** Frames that the slowest reader may be behind before the bench waits: far from being cut off. */
const WINDOW = 2_000;

interface Delivery {
  framesPerSecond: number;
  framesPerCpuSecond: number;
}

/** A token as the agent hands it over. */
const delta = (sessionId: string) => ({
  type: 'stream_event',
  event: { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'sixteen letters ' } },
  session_id: sessionId,
  parent_tool_use_id: null,
  uuid: '0b7a9a0e-54f1-4d7c-9a55-2f3a6f1a4c11',
});

/**
 * Frames per second that reach the subscribers of one session over loopback HTTP, through the server's own
 * log, feed, routes and HTTP adapter. Only a frame that arrived counts; readers are in another process.
 */
async function deliver(subscribers: number, burst: number, deliveries: number): Promise<Delivery> {
  const store = openSqliteStore(':memory:');
  const feed = createFeed();
  const log = createLog({ ownership: createSoleOwnership(store), feed });
  const session = sampleSession();
  await store.write([{ kind: 'insert-session', session }]);
  const app = new Hono<HttpEnv>();
  const sessions = { get: async () => session };
  eventRoutes(app, { store, feed, sessions } as unknown as AppDeps);
  const http = createAdaptorServer({ fetch: app.fetch, createServer }) as Server;
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;

  const child = fork(
    SUBSCRIBERS,
    [`http://127.0.0.1:${port}/sessions/${session.id}/events`, `${subscribers}`],
    {
      execArgv: ['--conditions=claude-agent-source'],
    },
  );
  let slowest = 0;
  let total = 0;
  let heard = (): void => {};
  const ready = Promise.withResolvers<void>();
  child.on('message', (message: { ready?: true; closed?: number; slowest?: number; total?: number }) => {
    if (message.ready) ready.resolve();
    if (message.closed !== undefined) ready.reject(new Error(`reader ${message.closed} was cut off`));
    slowest = message.slowest ?? slowest;
    total = message.total ?? total;
    heard();
  });
  await ready.promise;
  const report = (): Promise<void> =>
    new Promise((resolve) => {
      heard = resolve;
    });

  const message = delta(session.id);
  const publish = async (frames: number, already: number): Promise<void> => {
    for (let n = 0; n < frames; n += burst) {
      for (let i = 0; i < burst; i++) log.live(session.id, null, message);
      await turn();
      while (already + n - slowest > WINDOW) await report();
    }
    while (total < (already + frames) * subscribers) await report();
  };

  const frames = Math.max(burst, Math.ceil(deliveries / subscribers / burst) * burst);
  const warm = Math.ceil(frames / 5 / burst) * burst;
  await publish(warm, 0);
  const cpu = cpuSeconds();
  const start = performance.now();
  await publish(frames, warm);
  const seconds = (performance.now() - start) / 1000;
  const used = cpuSeconds() - cpu;
  if (total !== (warm + frames) * subscribers)
    throw new Error(`${total} frames arrived of ${(warm + frames) * subscribers}`);

  child.disconnect();
  await once(child, 'exit');
  http.closeAllConnections();
  await new Promise((resolve) => http.close(resolve));
  await store.close();
  const delivered = frames * subscribers;
  return {
    framesPerSecond: delivered / seconds,
    framesPerCpuSecond: delivered / used,
  };
}

/** Durable appends per second: each session waits for its event to be committed before it writes the next. */
async function append(sessions: number, milliseconds: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-events-'));
  const store = openSqliteStore(join(folder, 'server.db'));
  const log = createLog({ ownership: createSoleOwnership(store), feed: createFeed() });
  const data = { type: 'assistant', message: { content: [{ type: 'text', text: 'x'.repeat(800) }] } };
  const ids = Array.from({ length: sessions }, () => randomUUID());
  for (const id of ids) await store.write([{ kind: 'insert-session', session: sampleSession({ id }) }]);
  let count = 0;
  const start = performance.now();
  await Promise.all(
    ids.map(async (id) => {
      while (performance.now() - start < milliseconds) {
        await log.write(id, [event(id, 'agent.message', data)]);
        count++;
      }
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  await store.close();
  rmSync(folder, { recursive: true });
  return count / seconds;
}

const whole = (value: number): string => Math.round(value).toLocaleString('en-US');

/** Runs everything `runs` times and prints the medians. */
export async function benchEvents({ runs = 5, deliveries = 200_000 } = {}): Promise<void> {
  const repeat = async <T>(work: () => Promise<T>): Promise<T[]> => {
    const results: T[] = [];
    for (let n = 0; n < runs; n++) results.push(await work());
    return results;
  };
  const frames: string[][] = [];
  for (const burst of [1, 8]) {
    for (const subscribers of [1, 100, 1_000]) {
      // A single reader of single frames is the slowest of all; it needs fewer for a steady number.
      const amount = subscribers === 1 ? deliveries / 4 : deliveries;
      const results = await repeat(() => deliver(subscribers, burst, amount));
      frames.push([
        `${subscribers}`,
        `${burst}`,
        whole(median(results.map((each) => each.framesPerSecond))),
        whole(median(results.map((each) => each.framesPerCpuSecond))),
      ]);
    }
  }
  printTable(
    `SSE frames of one session over loopback HTTP (medians of ${runs} runs)`,
    ['subscribers', 'published at once', 'frames/s delivered', 'frames per core-second'],
    frames,
  );
  const appends: string[][] = [];
  for (const sessions of [1, 20]) {
    appends.push([`${sessions}`, whole(median(await repeat(() => append(sessions, 1_000))))]);
  }
  printTable(
    `Durable appends to the log, SQLite with synchronous=FULL (medians of ${runs} runs)`,
    ['sessions', 'appends/s'],
    appends,
  );
}

if (import.meta.main) {
  const [runs, deliveries] = process.argv.slice(2).map(Number);
  await benchEvents({ ...(runs && { runs }), ...(deliveries && { deliveries }) });
}
