/** One run of the chaos bench on one machine: a server, its clients, and what happens to them. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDemoServer } from 'claude-agent-demo-model';
import { openSqliteStore } from '../../packages/server/src/store/sqlite.ts';
import { createRandom, type Random } from '../../packages/server/test/support/random.ts';
import { type Caller, createCaller } from './caller.ts';
import { check, type Findings } from './checker.ts';
import { CAST, type LoadDeps, openSession, type Role, runApprover, runClient } from './clients.ts';
import { mountSmall, type SmallDisk } from './disk.ts';
import { readEvidence } from './evidence.ts';
import { createJournal, type Journal } from './journal.ts';
import { type ReaderKind, readStream } from './readers.ts';
import { agentsOf, freePort, goneWithin, inTime, type RunningServer, startServer } from './server.ts';
import { sums } from './sums.ts';

export type Mode = 'server' | 'agents' | 'disk';

export interface ChaosOptions {
  kills: number;
  seed: number;
  mode: Mode;
  cast?: readonly Role[];
  /** Shortens the pauses between kills; 1 by default. */
  pace?: number;
  /** No more kills after this time. */
  minutes?: number;
  log?(line: string): void;
}

export interface Outcome {
  mode: Mode;
  seed: number;
  findings: Findings;
  counts: Record<string, number>;
  /** ms from the start of a server to its readiness. */
  restarts: number[];
  told: Map<string, number>;
}

/** Refusals after which a client sends the same again: the server says that it cannot now, and why. */
const AGAIN = new Set(['storage_failed', 'server_stopping', 'queue_full', 'agents_busy', 'not_ready']);
/** Agents of a killed server are gone within 0.3 s without another start; on a busy machine later. */
const GONE_WITHIN_MS = 20_000;
/** The store is compared with the records after so many kills. */
const CHECK_EVERY = 20;
/** What is open at the end ends within this time. */
const OVER_WITHIN_MS = 240_000;

/** What a run consists of. */
interface World {
  options: Required<Pick<ChaosOptions, 'kills' | 'mode' | 'pace'>> & {
    log(line: string): void;
    until: number;
  };
  random: Random;
  journal: Journal;
  userHome: string;
  disk: SmallDisk | undefined;
  server: RunningServer;
  start(): RunningServer;
  restarts: number[];
  orphans: string[];
  counts: Record<string, number>;
  findings(over: boolean): Promise<Findings>;
}

export async function runChaos({ seed, cast = CAST, ...given }: ChaosOptions): Promise<Outcome> {
  const { kills, mode, pace = 1, minutes = 24 * 60, log = () => {} } = given;
  const until = performance.now() + minutes * 60_000;
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'bench-recovery-')));
  const [root, home, userHome] = ['work', 'home', 'user'].map((name) => join(base, name)) as [
    string,
    string,
    string,
  ];
  for (const folder of [join(root, 'effects'), home, userHome]) mkdirSync(folder, { recursive: true });
  const disk = mode === 'disk' ? mountSmall(home) : undefined;
  const config = join(base, 'config.json');
  writeFileSync(
    config,
    JSON.stringify({ allow_unasked_tools: true, max_live_agents: 8, permission_timeout_seconds: 3600 }),
  );
  const demo = await startDemoServer();
  const port = await freePort();
  const start = (): RunningServer => startServer({ home, root, userHome, config, model: demo.url, port });
  const journal = createJournal();
  const random = createRandom(seed);
  const ended = new AbortController();
  const world: World = {
    options: { kills, mode, pace, log, until },
    random,
    journal,
    userHome,
    disk,
    start,
    server: start(),
    restarts: [],
    orphans: [],
    counts: {},
    async findings(over) {
      const store = openSqliteStore(join(home, 'server.db'));
      try {
        const sources = { store, projects: [join(userHome, '.claude', 'projects')], root };
        const evidence = await readEvidence(sources, journal.sessions);
        const found = check(journal, evidence, { over });
        if (over) Object.assign(world.counts, sums(journal, evidence));
        return { ...found, orphans: world.orphans };
      } finally {
        await store.close();
      }
    },
  };
  try {
    world.restarts.push(await inTime(world.server.ready, 'the first start'));
    const over = { is: false };
    const url = (): string => `http://127.0.0.1:${port}`;
    const expected = new Set([...AGAIN, ...(mode === 'agents' ? ['agent_start_failed'] : [])]);
    const call = createCaller(url, journal, { signal: ended.signal, expected });
    const load: LoadDeps = { call, journal, random, isOver: () => over.is, signal: ended.signal };
    const work = await startLoad(load, cast, url);
    await inTime(firstResult(journal), 'the first result');
    await CHAOS[mode](world);
    over.is = true;
    log('no more messages; waiting for what is open');
    await inTime(Promise.all(work), 'what was open at the end', OVER_WITHIN_MS).catch((error: Error) => {
      world.orphans.push(`the end: ${error.message}`);
    });
    await endInOrder(world, call);
    ended.abort();
    const findings = await world.findings(true);
    return { mode, seed, findings, counts: world.counts, restarts: world.restarts, told: journal.told };
  } finally {
    ended.abort();
    world.server.kill('SIGKILL');
    await world.server.exited;
    await goneWithin(GONE_WITHIN_MS, userHome);
    await demo.close();
    disk?.unmount();
    if (process.env.KEEP) log(`kept: ${base}`);
    else rmSync(base, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Without it a busy machine may kill every server before an agent has started, and there is nothing to lose. */
export async function firstResult({ messages }: Journal): Promise<void> {
  while (!messages.some(({ results }) => results.size > 0)) await sleep(50);
}

/** A shutdown, after which nothing runs; one more start, so that the readers get what they missed; and the last kill. */
async function endInOrder(
  { server, start, journal, userHome, orphans, ...world }: World,
  call: Caller,
): Promise<void> {
  server.kill('SIGTERM');
  const code = await inTime(server.exited, 'the shutdown');
  if (code !== 0) journal.undocumented.push(`the shutdown ended with ${code}: ${server.words()}`);
  for (const { pid, sessionId } of await goneWithin(GONE_WITHIN_MS, userHome))
    orphans.push(`process ${pid} of ${sessionId} outlives the shutdown`);
  const last = start();
  try {
    world.restarts.push(await inTime(last.ready, 'the last start'));
    await readersCaughtUp(call, journal);
  } finally {
    last.kill('SIGKILL');
    await last.exited;
  }
}

const OPENED_AT_ONCE = 8;

/** @returns what ends when every message has its result */
export async function startLoad(
  load: LoadDeps,
  cast: readonly Role[],
  url: () => string,
): Promise<Promise<void>[]> {
  const { journal, signal } = load;
  const read = (kind: ReaderKind, sessionId: string | undefined): void =>
    void readStream(url, journal, { kind, sessionId, signal }).catch((error: unknown) => {
      if (!signal.aborted) journal.undocumented.push(`a reader (${kind} ${sessionId}) ended: ${error}`);
    });
  const work: Promise<void>[] = [];
  const begin = async (n: number, role: Role): Promise<void> => {
    const file = `effects/s${n}.txt`;
    const id = await openSession(load, role, file);
    if (id === undefined) return;
    read((['id', 'after', 'library'] as const)[n % 3] ?? 'id', id);
    if (n % 7 === 0) read('again', id);
    work.push(runClient(load, id, role, file));
  };
  for (let n = 0; n < cast.length; n += OPENED_AT_ONCE)
    await Promise.all(cast.slice(n, n + OPENED_AT_ONCE).map((role, k) => begin(n + k, role)));
  read('id', undefined);
  void runApprover(load);
  return work;
}

/** Waits until the readers have what the logs have. */
export async function readersCaughtUp(call: Caller, journal: Journal): Promise<void> {
  const deadline = performance.now() + 15_000;
  const isBehind = async (): Promise<boolean> => {
    for (const { sessionId, connections } of journal.readers) {
      if (sessionId === undefined) continue;
      const reply = await call('getSessionStatus', { params: { session_id: sessionId } });
      const last = connections.findLast((seen) => seen.length > 0)?.at(-1)?.id ?? 0;
      if (last < (reply?.body.last_seq ?? 0)) return true;
    }
    return false;
  };
  while ((await isBehind()) && performance.now() < deadline) await sleep(200);
  // Nothing says which event is the last of all sessions': those readers are through when no more comes.
  const count = (): number =>
    journal.readers
      .filter(({ sessionId }) => sessionId === undefined)
      .reduce((sum, { connections }) => sum + connections.flat().length, 0);
  for (let before = -1; before !== count() && performance.now() < deadline; await sleep(QUIET_MS))
    before = count();
}

/** A reader of all sessions comes back within 350 ms, and gets what it missed at once. */
const QUIET_MS = 2_000;

// ---- what happens

/** A random time: mostly short, at times long enough for a server to get everything going. */
function pauseOf(random: Random, pace: number): number {
  const dice = random.below(10);
  const ms =
    dice < 4
      ? 100 + random.below(2_500)
      : dice < 9
        ? 2_000 + random.below(4_000)
        : 6_000 + random.below(8_000);
  return ms * pace;
}

/** How often something is done; ends early when its time is up. */
function* times({ kills, until }: World['options']): Generator<number> {
  for (let n = 1; n <= kills && performance.now() < until; n++) yield n;
}

const CHAOS: Record<Mode, (world: World) => Promise<void>> = {
  async server(world) {
    const { options, random, counts } = world;
    for (const n of times(options)) {
      await sleep(pauseOf(random, options.pace));
      await killServer(world);
      counts['kills of the server'] = n;
      if (n % CHECK_EVERY === 0) await interim(world, n);
      await startAgain(world);
    }
  },

  async agents({ options, random, userHome, counts }) {
    for (const n of times(options)) {
      await sleep((50 + random.below(900)) * options.pace);
      await killAgent(random, userHome);
      counts['kills of agents'] = n;
      if (n % 50 === 0) options.log(`${n} agents killed`);
    }
  },

  async disk(world) {
    const { options, random, disk, counts } = world;
    if (!disk) throw new Error('This user may not mount a file system, so the disk cannot be filled.');
    for (const n of times(options)) {
      await sleep(pauseOf(random, options.pace));
      disk.fill();
      await sleep((500 + random.below(4_000)) * options.pace);
      // Some servers die on the full disk, and some starts meet it.
      const dies = random.below(3) === 0;
      if (dies) await killServer(world);
      if (dies && random.below(2) === 0) await startOnFullDisk(world);
      disk.free();
      if (dies) await startAgain(world);
      counts['times that the disk was full'] = n;
      if (n % CHECK_EVERY === 0) options.log(`the disk was full ${n} times`);
    }
  },
};

/** Waits for an agent process, and kills one. */
async function killAgent(random: Random, userHome: string): Promise<void> {
  for (;;) {
    const agents = agentsOf(userHome).filter(({ isAgent }) => isAgent);
    const victim = agents[random.below(Math.max(1, agents.length))];
    try {
      if (victim) {
        process.kill(victim.pid, 'SIGKILL');
        return;
      }
    } catch {
      // gone meanwhile
    }
    await sleep(50);
  }
}

/** A start that cannot write ends with a sentence, or goes on. */
async function startOnFullDisk({ start, journal, counts }: World): Promise<void> {
  const attempt = start();
  const code = await inTime(
    Promise.race([
      attempt.ready.then(
        () => 'ready',
        () => attempt.exited,
      ),
      attempt.exited,
    ]),
    'a start',
  );
  attempt.kill('SIGKILL');
  await attempt.exited;
  const key =
    code === 'ready' ? 'starts on a full disk that went well' : 'starts on a full disk that were refused';
  counts[key] = (counts[key] ?? 0) + 1;
  if (code !== 'ready' && (/\n\s+at /.test(attempt.words()) || attempt.words().trim() === ''))
    journal.undocumented.push(`a start on a full disk ended with ${code}: ${attempt.words()}`);
}

async function killServer({ server, random, userHome, orphans }: World): Promise<void> {
  const before = new Set(agentsOf(userHome).map(({ pid }) => pid));
  server.kill('SIGKILL');
  await inTime(server.exited, 'the end of a killed server');
  // Half of the time the next start finds them; otherwise they go by themselves.
  if (random.below(2) === 0) return;
  for (const { pid, sessionId } of await goneWithin(GONE_WITHIN_MS, userHome, before))
    orphans.push(`process ${pid} of ${sessionId} outlives its server`);
}

async function startAgain(world: World): Promise<void> {
  const { random, userHome, orphans, counts } = world;
  const before = new Set(agentsOf(userHome).map(({ pid }) => pid));
  // Now and then a start is killed too.
  if (random.below(10) === 0) {
    const attempt = world.start();
    await Promise.race([sleep(random.below(800)), attempt.exited]);
    attempt.kill('SIGKILL');
    await attempt.exited;
    counts['kills of a start'] = (counts['kills of a start'] ?? 0) + 1;
  }
  world.server = world.start();
  world.restarts.push(await inTime(world.server.ready, 'a start'));
  for (const { pid, sessionId } of agentsOf(userHome).filter((each) => before.has(each.pid)))
    orphans.push(`process ${pid} of ${sessionId} outlives its server and the next start`);
}

/** Looks at the store while no server runs; says what is wrong at once. */
async function interim(world: World, n: number): Promise<void> {
  const found = await world.findings(false);
  const wrong = Object.entries(found).flatMap(([name, list]) =>
    (list as string[]).map((sentence) => `${name}: ${sentence}`),
  );
  world.options.log(
    `${n} kills, ${wrong.length} findings${wrong.length > 0 ? `\n  ${wrong.slice(0, 10).join('\n  ')}` : ''}`,
  );
}
