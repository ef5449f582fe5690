/**
 * Readers of a session on the node that runs it, on another one, and half on each: frames a second that arrive, and the
 * processor time of both nodes for a million of them. Real nodes on one PostgreSQL, a real agent; the model is scripted.
 *
 * Run: node --conditions=claude-agent-source bench/fanout.ts [--readers 1,100,500] [--words 4000] [--rounds 3]
 */
import { fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { script } from '../packages/server/test/support/api.ts';
import { type Child, startProgram } from './support/child.ts';
import { agentEnvironment } from './support/conversations.ts';
import { startDatabase } from './support/postgres.ts';
import { cpuSeconds } from './support/process.ts';
import { median, printTable } from './support/table.ts';

const SUBSCRIBERS = fileURLToPath(new URL('./support/subscribers.ts', import.meta.url));
/** All frames have arrived when none has for so long. */
const QUIET_MS = 700;

interface Readers {
  total(): number;
  /** When the last frame came, to 5 ms. */
  lastAt(): number;
  close(): Promise<void>;
}

/** A process with so many readers of one stream. */
async function openReaders(url: string, count: number): Promise<Readers> {
  const child = fork(SUBSCRIBERS, [url, `${count}`], { execArgv: ['--conditions=claude-agent-source'] });
  let [total, lastAt] = [0, 0];
  const ready = Promise.withResolvers<void>();
  child.on('message', (message: { ready?: true; closed?: number; total?: number }) => {
    if (message.ready) ready.resolve();
    if (message.closed !== undefined) ready.reject(new Error(`reader ${message.closed} was cut off`));
    if (message.total === undefined || message.total === total) return;
    total = message.total;
    lastAt = performance.now();
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  await ready.promise;
  return {
    total: () => total,
    lastAt: () => lastAt,
    async close() {
      child.kill();
      await exited;
    },
  };
}

const total = (readers: readonly Readers[]): number => readers.reduce((sum, each) => sum + each.total(), 0);

async function quiet(readers: readonly Readers[]): Promise<void> {
  const isQuiet = (): boolean => readers.every((each) => performance.now() - each.lastAt() > QUIET_MS);
  while (!isQuiet()) await sleep(50);
}

const post = (url: string, body: object, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

interface Result {
  framesPerSecond: number;
  /** Seconds of both nodes together for a million frames. */
  cpu: number;
}

/** One long answer to these numbers of readers on the owner and on the other node. */
async function answer(nodes: readonly Child[], counts: readonly number[], words: number): Promise<Result> {
  const [owner] = nodes as [Child, Child];
  const created = (await (await post(`${owner.url}/sessions`, { start: 'now' })).json()) as {
    session_id: string;
  };
  const path = `/sessions/${created.session_id}`;
  const readers = await Promise.all(
    nodes.flatMap(({ url }, n) => (counts[n] ? [openReaders(`${url}${path}/events`, counts[n])] : [])),
  );
  try {
    await quiet(readers);
    const before = total(readers);
    const cpu = nodes.map(({ pid }) => cpuSeconds(pid));
    let firstAt = 0;
    const began = performance.now();
    const text = Array.from({ length: words }, (_, n) => `word${n}`).join(' ');
    const turn = post(`${owner.url}${path}/messages`, { message: script({ say: text }) });
    const many = counts.reduce((sum, count) => sum + count, 0);
    // The events before the first token are not the fan-out.
    while (!firstAt && performance.now() - began < 60_000) {
      if (total(readers) - before > many * 10) firstAt = performance.now();
      await sleep(2);
    }
    const counted = total(readers);
    if ((await turn).status !== 200) throw new Error('the turn failed');
    await quiet(readers);
    const lastAt = Math.max(...readers.map((each) => each.lastAt()));
    const frames = total(readers) - before;
    const spent = nodes.reduce((sum, { pid }, n) => sum + cpuSeconds(pid) - (cpu[n] ?? 0), 0);
    return {
      framesPerSecond: ((total(readers) - counted) / (lastAt - firstAt)) * 1_000,
      cpu: (spent / frames) * 1e6,
    };
  } finally {
    await Promise.all(readers.map((each) => each.close()));
    await fetch(`${owner.url}${path}`, { method: 'DELETE' });
  }
}

const { values } = parseArgs({
  options: {
    readers: { type: 'string', default: '1,100,500' },
    words: { type: 'string', default: '4000' },
    rounds: { type: 'string', default: '3' },
  },
});
const database = await startDatabase({ fsync: 'on' });
const base = realpathSync(mkdtempSync(join(tmpdir(), 'bench-fanout-')));
const work = join(base, 'work');
mkdirSync(work);
const upstream = await startProgram('bench/support/upstream.ts');
const nodes: Child[] = [];
try {
  for (const name of ['a', 'b'])
    nodes.push(
      await startProgram('packages/server/src/main.ts', {
        // So long a lease is not lost when the machine is busy.
        args: [
          ...['--port', '0', '--home', join(base, name), '--root', work, '--spares', '0'],
          ...['--database-url', database.url, '--lease-seconds', '30'],
        ],
        env: agentEnvironment(base, upstream.url),
      }),
    );
  const rows: string[][] = [];
  for (const readers of values.readers.split(',').map(Number)) {
    const layouts = {
      'all on its node': [readers, 0],
      'all on the other node': [0, readers],
      ...(readers > 1 && { 'half on each': [readers / 2, readers / 2] }),
    };
    const found = new Map<string, Result[]>();
    for (let round = 0; round < Number(values.rounds); round++)
      for (const [name, counts] of Object.entries(layouts))
        found.set(name, [...(found.get(name) ?? []), await answer(nodes, counts, Number(values.words))]);
    for (const [name, results] of found)
      rows.push([
        `${readers} readers, ${name}`,
        Math.round(median(results.map(({ framesPerSecond }) => framesPerSecond))).toLocaleString('en'),
        median(results.map(({ cpu }) => cpu)).toFixed(1),
      ]);
  }
  printTable(
    `an answer of ${values.words} words, medians of ${values.rounds}`,
    ['', 'frames/s', 'CPU s of both nodes for 1,000,000 frames'],
    rows,
  );
} finally {
  for (const node of nodes) await node.stop();
  await upstream.stop();
  await database.stop();
  rmSync(base, { recursive: true, force: true });
}
