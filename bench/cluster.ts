/**
 * Nodes on one PostgreSQL database under load through a round-robin proxy, while random ones are killed, frozen for
 * longer than their lease, cut off from the database, or restarted; then compares the store, the side effects and the
 * clients' records, as bench/recovery.ts does.
 *
 * Run: node --conditions=claude-agent-source bench/cluster.ts [--faults 30] [--seed 1] [--nodes 3] [--sessions 60]
 *      [--agents 6] [--heartbeat 2] [--lease 6]
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { startDemoServer } from 'claude-agent-demo-model';
import { openPostgresStore } from '../packages/server/src/store/postgres.ts';
import setUpPostgres, {
  findPostgres,
  hasPostgres,
  newDatabase,
} from '../packages/server/test/support/postgres.ts';
import { createRandom } from '../packages/server/test/support/random.ts';
import { createCaller } from './chaos/caller.ts';
import { check, type Findings } from './chaos/checker.ts';
import { CAST, type LoadDeps, type Role } from './chaos/clients.ts';
import {
  FAULTS,
  type Fault,
  type Gap,
  harm,
  type Node,
  startNode,
  startRoundRobin,
  watchOwners,
} from './chaos/cluster.ts';
import { readEvidence } from './chaos/evidence.ts';
import { createJournal, type Journal } from './chaos/journal.ts';
import { isClean, printAnswers, printFindings } from './chaos/report.ts';
import { firstResult, readersCaughtUp, startLoad } from './chaos/run.ts';
import { type AgentSeen, agentsOf, freePort, goneWithin, inTime } from './chaos/server.ts';
import { sums } from './chaos/sums.ts';
import { ms, printTable, quantile } from './support/table.ts';

/** Refusals after which a client sends the same again. */
const AGAIN = new Set([
  ...['storage_failed', 'server_stopping', 'queue_full', 'agents_busy', 'not_ready'],
  ...['session_moved', 'owner_unreachable', 'agent_start_failed'],
]);
/** Longer times without an owner are listed. */
const GOAL_MS = 10_000;
const OVER_WITHIN_MS = 300_000;
/** Agents of one session on two nodes: a process that is being killed is still seen for a moment. */
const STILL_THERE_MS = 500;

interface ClusterOptions {
  /** What happens, in this order. */
  faults: readonly Fault[];
  seed: number;
  nodes: number;
  /** The most agent processes of a node. */
  agents: number;
  cast: readonly Role[];
  heartbeatSeconds: number;
  leaseSeconds: number;
  /** Shortens the pauses between faults, and what outlasts a lease; 1 by default. */
  pace?: number;
  log(line: string): void;
}

interface ClusterOutcome {
  findings: Findings;
  counts: Record<string, number>;
  /** Times for which a session with open work had no owner that could work. */
  withoutOwner: Gap[];
  told: Map<string, number>;
}

export async function runCluster(options: ClusterOptions): Promise<ClusterOutcome> {
  const { seed, cast, log, leaseSeconds, pace = 1 } = options;
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'bench-cluster-')));
  const [root, userHome] = [join(base, 'work'), join(base, 'user')];
  mkdirSync(join(root, 'effects'), { recursive: true });
  // Of each node its own: the agent's files travel through the database.
  const userHomes = Array.from({ length: options.nodes }, (_, n) => `${userHome}${n}`);
  const config = join(base, 'config.json');
  writeFileSync(
    config,
    JSON.stringify({
      allow_unasked_tools: true,
      max_live_agents: options.agents,
      permission_timeout_seconds: 3600,
      sleep_after_seconds: 20,
    }),
  );
  // In the test suite the runner has one.
  const endPostgres = hasPostgres() ? undefined : setUpPostgres();
  const database = await newDatabase();
  const demo = await startDemoServer();
  const nodes: Node[] = [];
  const random = createRandom(seed);
  const journal = createJournal();
  const ended = new AbortController();
  try {
    for (const [n, userHome] of userHomes.entries()) {
      const home = join(base, `home${n}`);
      for (const folder of [home, userHome]) mkdirSync(folder);
      const logFile = join(base, `node${n}.log`);
      const given = { home, root, userHome, config, model: demo.url, port: await freePort() };
      nodes.push(await startNode(`node ${n}`, database, { ...given, logFile, alone: true }, options));
    }
    await Promise.all(nodes.map(({ server }) => inTime(server.ready, 'the first start')));
    const proxy = await startRoundRobin(nodes);
    const owners = await watchOwners(database, nodes);
    const url = (): string => `http://127.0.0.1:${proxy.port}`;
    const over = { is: false };
    const call = createCaller(url, journal, { signal: ended.signal, expected: AGAIN });
    const load: LoadDeps = { call, journal, random, isOver: () => over.is, signal: ended.signal };
    const orphans = new Set<string>();
    const agents = watchAgents(userHome, orphans, ended.signal);
    const work = await startLoad(load, cast, url);
    const counts: Record<string, number> = {};
    await inTime(firstResult(journal), 'the first result');
    for (const [n, fault] of options.faults.entries()) {
      await sleep((2_000 + random.below(4_000)) * pace);
      const node = nodes[random.below(nodes.length)] as Node;
      const began = performance.now();
      await harm(node, fault, leaseSeconds * 1000 + (1_000 + random.below(4_000)) * pace);
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      log(`${n + 1}: ${fault} ${node.name}, ${seconds} s; ${journal.messages.length} messages so far`);
      counts[fault] = (counts[fault] ?? 0) + 1;
    }
    over.is = true;
    log('no more messages; waiting for what is open');
    await inTime(Promise.all(work), 'what was open at the end', OVER_WITHIN_MS).catch((error: Error) =>
      orphans.add(`the end: ${error.message}`),
    );
    for (const { server } of nodes) server.kill('SIGTERM');
    const codes = await Promise.all(nodes.map(({ server }) => inTime(server.exited, 'the shutdown')));
    codes.forEach((code, n) => {
      if (code !== 0)
        journal.undocumented.push(
          `the shutdown of node ${n} ended with ${code}: ${nodes[n]?.server.words()}`,
        );
    });
    for (const { pid, sessionId } of await goneWithin(5_000, userHome))
      orphans.add(`process ${pid} of ${sessionId} outlives the shutdown`);
    // One more start, so that the readers get what they missed.
    const [first] = nodes as [Node];
    first.server = first.start();
    await inTime(first.server.ready, 'the last start');
    await readersCaughtUp(call, journal);
    ended.abort();
    await Promise.all([agents, owners.stop(), proxy.close()]);
    first.server.kill('SIGKILL');
    await first.server.exited;
    const findings = await judge(
      database,
      journal,
      { projects: userHomes.map((each) => join(each, '.claude', 'projects')), root },
      counts,
    );
    findings.orphans.push(...orphans);
    return { findings, counts, withoutOwner: owners.gaps, told: journal.told };
  } catch (error) {
    for (const { name, server } of nodes) log(`${name} said: ${server.words().slice(-2_000)}`);
    throw error;
  } finally {
    ended.abort();
    for (const { server } of nodes) server.kill('SIGKILL');
    await Promise.all(nodes.map(({ server }) => server.exited));
    await Promise.all(nodes.map((node) => node.database.close()));
    await goneWithin(5_000, userHome);
    await demo.close();
    if (process.env.KEEP) await dump(database, join(base, 'database.sql'));
    await endPostgres?.();
    if (process.env.KEEP) log(`kept: ${base}`);
    else rmSync(base, { recursive: true, force: true, maxRetries: 5 });
  }
}

const dump = async (database: string, file: string): Promise<void> =>
  void (await promisify(execFile)(join(findPostgres() ?? '', 'pg_dump'), ['-f', file, '-d', database]));

async function judge(
  url: string,
  journal: Journal,
  where: { projects: readonly string[]; root: string },
  counts: Record<string, number>,
): Promise<Findings> {
  const store = await openPostgresStore({ url, listen: false });
  try {
    const evidence = await readEvidence({ store, ...where }, journal.sessions);
    Object.assign(counts, sums(journal, evidence));
    return check(journal, evidence, { over: true });
  } finally {
    await store.close();
  }
}

/** Notes sessions that have agents of two runs at a time. */
async function watchAgents(userHome: string, orphans: Set<string>, signal: AbortSignal): Promise<void> {
  const doubled = (): Map<string, AgentSeen[]> => {
    const bySession = Map.groupBy(agentsOf(userHome), ({ sessionId }) => sessionId);
    return new Map([...bySession].filter(([, list]) => new Set(list.map(({ run }) => run)).size > 1));
  };
  while (!signal.aborted) {
    const before = doubled();
    if (before.size > 0) {
      await sleep(STILL_THERE_MS);
      for (const [id, list] of doubled()) {
        const pids = new Set(before.get(id)?.map(({ pid }) => pid));
        const still = list.filter(({ pid }) => pids.has(pid));
        if (new Set(still.map(({ run }) => run)).size > 1)
          orphans.add(`session ${id} has agents of two nodes: ${still.map(({ pid }) => pid).join(', ')}`);
      }
    }
    await sleep(1_000, undefined, { signal }).catch(() => {});
  }
}

const lengthOf = ({ harmedMs, deadMs }: Gap): number => harmedMs + deadMs;

function report({ findings, counts, withoutOwner, told }: ClusterOutcome, title: string): boolean {
  const lengths = withoutOwner.map(lengthOf);
  printFindings(title, counts, findings);
  printTable(
    `a session with open work, without an owner that could work (${withoutOwner.length} times)`,
    ['p50', 'p95', 'most'],
    [[0.5, 0.95, 1].map((part) => ms(quantile(lengths, part)))],
  );
  for (const { sessionId, harmedMs, deadMs } of withoutOwner.filter((gap) => lengthOf(gap) > GOAL_MS))
    console.log(`${sessionId}: ${ms(harmedMs)} with an owner that was harmed, ${ms(deadMs)} without one`);
  printAnswers(told);
  return isClean(findings);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      faults: { type: 'string', default: '30' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      nodes: { type: 'string', default: '3' },
      agents: { type: 'string', default: '6' },
      sessions: { type: 'string', default: '60' },
      heartbeat: { type: 'string', default: '2' },
      lease: { type: 'string', default: '6' },
    },
  });
  const sessions = Number(values.sessions);
  const random = createRandom(Number(values.seed));
  const outcome = await runCluster({
    faults: Array.from(
      { length: Number(values.faults) },
      () => FAULTS[random.below(FAULTS.length)] ?? 'kill',
    ),
    seed: Number(values.seed),
    nodes: Number(values.nodes),
    agents: Number(values.agents),
    cast: Array.from({ length: sessions }, (_, n) => CAST[n % CAST.length] as Role),
    heartbeatSeconds: Number(values.heartbeat),
    leaseSeconds: Number(values.lease),
    log: console.log,
  });
  const title = `cluster, ${values.nodes} nodes, ${sessions} sessions, ${values.faults} faults, --seed ${values.seed}`;
  process.exitCode = report(outcome, title) ? 0 : 1;
}
