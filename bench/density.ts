/**
 * Many sessions on one machine: a server with 10,000 sessions and 1,000,000 events beside one with 100 sessions, on the
 * same machine and alternating. How long they take to start, what lists cost, how long a message to a random sleeping
 * session takes, and how much memory the server has meanwhile. Real agents, at most 16 at a time; the model is scripted.
 *
 * Run (Linux): node --conditions=claude-agent-source bench/density.ts [messages=60] [sessions=10000] [folder]
 * With a folder, the filled homes are kept there and used again.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Child, startProgram } from './support/child.ts';
import { agentEnvironment } from './support/conversations.ts';
import { EVENTS_PER_SESSION, fillStore, fillTranscripts } from './support/fill.ts';
import { cpuSeconds, memoryOf } from './support/process.ts';
import { median, ms, printTable, quantile } from './support/table.ts';

const FEW = 100;
const TRANSCRIPTS = 3_000;
const LIVE_AGENTS = 16;
const STARTS = 5;
const REQUESTS = 30;
const PROMPT = 'script: [{"say":"one two three four five six seven eight nine ten"}]';

interface Side {
  name: string;
  sessions: number;
  home: string;
}

interface Running extends Side {
  server: Child;
  ids: string[];
  /** The last ones that got a message: they may still have a process. */
  recent: string[];
  times: number[];
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

async function json<T>(url: string, init?: RequestInit): Promise<T> {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

/** Ids of the sessions that sleep: some wait for an answer instead. */
async function asleepIn(url: string): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const page: { sessions: { session_id: string; state: string }[]; next_cursor: string | null } =
      await json(`${url}/sessions?limit=100${cursor === null ? '' : `&cursor=${cursor}`}`);
    for (const { session_id, state } of page.sessions) if (state === 'asleep') ids.push(session_id);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return ids;
}

const send = (url: string, id: string): Promise<unknown> =>
  json(`${url}/sessions/${id}/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ message: PROMPT }),
  });

/** Start to ready, several times on each home in turn. */
async function benchStarts(sides: readonly Side[], serve: (home: string) => Promise<Child>): Promise<void> {
  const times = new Map(sides.map(({ name }) => [name, { wall: [] as number[], cpu: [] as number[] }]));
  for (let round = 0; round < STARTS; round++) {
    for (const { name, home } of sides) {
      let server: Child | undefined;
      const wall = await timed(async () => {
        server = await serve(home);
      });
      times.get(name)?.wall.push(wall);
      times.get(name)?.cpu.push(cpuSeconds(server?.pid ?? 0) * 1000);
      await server?.stop();
    }
  }
  printTable(
    `from the start of the program until it is ready (${STARTS} each)`,
    ['sessions', 'median', 'most', 'processor time'],
    sides.map(({ name }) => {
      const { wall = [], cpu = [] } = times.get(name) ?? {};
      return [name, ms(median(wall)), ms(Math.max(...wall)), ms(median(cpu))];
    }),
  );
}

async function benchLists(sides: readonly Running[]): Promise<void> {
  const paths = [
    '/sessions',
    '/sessions?limit=100',
    '/sessions?q=no%20such%20words',
    '/permissions',
    '/usage',
    '/sessions/available',
  ];
  const rows: string[][] = [];
  for (const path of paths) {
    const row = [`GET ${path}`];
    const taken = sides.map((): number[] => []);
    for (const { server } of sides) await json(`${server.url}${path}`);
    for (let n = 0; n < REQUESTS; n++) {
      for (const [index, { server }] of sides.entries())
        taken[index]?.push(await timed(() => json(`${server.url}${path}`)));
    }
    for (const each of taken) row.push(ms(median(each)), ms(quantile(each, 0.9)));
    rows.push(row);
  }
  printTable(
    `lists (${REQUESTS} each, ${TRANSCRIPTS} transcripts)`,
    ['', ...sides.flatMap(({ name }) => [`${name}: median`, 'p90'])],
    rows,
  );
}

/** A message to a random session that sleeps, alternating between the servers. */
async function benchMessages(sides: readonly Running[], messages: number): Promise<void> {
  for (let n = 0; n < messages; n++) {
    for (const side of sides) {
      const asleep = side.ids.filter((id) => !side.recent.includes(id));
      const id = asleep[Math.floor(Math.random() * asleep.length)] ?? '';
      side.times.push(await timed(() => send(side.server.url, id)));
      side.recent = [id, ...side.recent].slice(0, LIVE_AGENTS + 4);
    }
  }
  const [few, many] = sides.map(({ times }) => median(times)) as [number, number];
  printTable(
    `a message to a random sleeping session, to its end (${messages} each)`,
    ['sessions', 'median', 'p90', 'ratio'],
    sides.map(({ name, times }) => [
      name,
      ms(median(times)),
      ms(quantile(times, 0.9)),
      `${(median(times) / few).toFixed(2)}x`,
    ]),
  );
  console.log(many / few <= 1.2 ? 'reached 1.2x' : 'NOT reached: 1.2x');
}

/** Each session is asked for once, so that each is loaded. */
async function askForAll({ server, ids }: Running): Promise<number> {
  return timed(async () => {
    for (let n = 0; n < ids.length; n += 20)
      await Promise.all(ids.slice(n, n + 20).map((id) => json(`${server.url}/sessions/${id}/status`)));
  });
}

export async function benchDensity(messages = 60, sessions = 10_000, kept?: string): Promise<void> {
  const base = kept ?? realpathSync(mkdtempSync(join(tmpdir(), 'bench-density-')));
  const work = join(base, 'work');
  mkdirSync(work, { recursive: true });
  const sides: Side[] = [0, FEW, sessions].map((count) => ({
    name: String(count),
    sessions: count,
    home: join(base, `home-${count}`),
  }));
  for (const { home, sessions: count } of sides) {
    if (existsSync(home)) continue;
    const seconds = await fillStore(home, count, work);
    const bytes = statSync(join(home, 'server.db')).size;
    console.log(
      `${count} sessions with ${count * EVENTS_PER_SESSION} events: ${seconds.toFixed(0)} s, ${(bytes / 1e6).toFixed(0)} MB`,
    );
  }
  const projects = join(base, '.claude', 'projects');
  if (!existsSync(projects)) fillTranscripts(projects, TRANSCRIPTS, work);

  // As it is published: from its sources the server needs 30 MB and 0.25 s of processor time more, for their types.
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: join(import.meta.dirname, '..') });
  const upstream = await startProgram('bench/support/upstream.ts');
  const env = agentEnvironment(base, upstream.url);
  const options = ['--port', '0', '--root', work, '--spares', '0', '--max-live-agents', `${LIVE_AGENTS}`];
  const serve = (home: string): Promise<Child> =>
    startProgram('packages/server/dist/bin.js', { args: [...options, '--home', home], env, built: true });
  const running: Running[] = [];
  try {
    await benchStarts(sides, serve);
    for (const side of sides.slice(1)) {
      const server = await serve(side.home);
      running.push({ ...side, server, ids: await asleepIn(server.url), recent: [], times: [] });
    }
    const many = running[1] as Running;
    const memory: string[][] = [];
    const note = (when: string): void => {
      const cells = running.map(({ server }) => {
        const { now, most } = memoryOf(server.pid);
        return [`${now.toFixed(0)} MB`, `${most.toFixed(0)} MB`];
      });
      memory.push([when, ...cells.flat()]);
    };
    note('after the start');
    await benchLists(running);
    note('after the lists');
    await benchMessages(running, messages);
    note('after the messages');
    const took = await askForAll(many);
    console.log(
      `\neach of ${many.sessions} sessions asked for once: ${(took / many.ids.length).toFixed(2)} ms each`,
    );
    note('after each was asked for');
    printTable(
      'memory of the server process',
      ['', ...running.flatMap(({ name }) => [name, 'most so far'])],
      memory,
    );
  } finally {
    await Promise.all(running.map(({ server }) => server.stop()));
    await upstream.stop();
    if (kept === undefined) rmSync(base, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const [messages, sessions, folder] = process.argv.slice(2);
  await benchDensity(
    messages ? Number(messages) : undefined,
    sessions ? Number(sessions) : undefined,
    folder,
  );
}
