/** Nodes of one cluster behind a proxy that knows nothing, and what happens to them. */
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { type DatabaseProxy, startProxy } from '../../packages/server/test/support/cluster.ts';
import { inTime, type RunningServer, type ServerOptions, startServer } from './server.ts';

export const FAULTS = ['kill', 'freeze', 'cut', 'restart'] as const;
export type Fault = (typeof FAULTS)[number];

/** One node, through all of its lives. */
export interface Node {
  name: string;
  port: number;
  /** Its way to the database. */
  database: DatabaseProxy;
  server: RunningServer;
  /** Something is being done to it. */
  harmed: boolean;
  start(): RunningServer;
}

export async function startNode(
  name: string,
  database: string,
  options: ServerOptions,
  lease: { heartbeatSeconds: number; leaseSeconds: number },
): Promise<Node> {
  const proxy = await startProxy(database);
  const start = (): RunningServer =>
    startServer({
      ...options,
      args: [
        '--heartbeat-seconds',
        String(lease.heartbeatSeconds),
        '--lease-seconds',
        String(lease.leaseSeconds),
      ],
      env: { AGENT_SERVER_DATABASE_URL: proxy.url },
    });
  return { name, port: options.port, database: proxy, server: start(), harmed: false, start };
}

/** Does something to a node, and waits until it works again. */
export async function harm(node: Node, fault: Fault, longerThanLease: number): Promise<void> {
  // One that drains works on until it ends, and then it has no row.
  node.harmed = fault !== 'restart';
  switch (fault) {
    case 'kill':
      node.server.kill('SIGKILL');
      await inTime(node.server.exited, 'the end of a killed node');
      await sleep(Math.random() * longerThanLease);
      break;
    case 'freeze':
      node.server.kill('SIGSTOP');
      await sleep(longerThanLease);
      node.server.kill('SIGCONT');
      break;
    case 'cut':
      node.database.cut();
      await sleep(longerThanLease);
      node.database.mend();
      break;
    case 'restart':
      node.server.kill('SIGTERM');
      await inTime(node.server.exited, 'a restart');
      break;
  }
  if (fault === 'kill' || fault === 'restart') {
    node.server = node.start();
    await inTime(node.server.ready, 'a start');
  }
  node.harmed = false;
}

/** Connections go to one node after the other; those to a node that does not answer are broken. */
export async function startRoundRobin(
  nodes: readonly Node[],
): Promise<{ port: number; close(): Promise<void> }> {
  const up = new Set<Node>();
  const open = new Map<Socket, Node>();
  let turn = 0;
  const look = async (node: Node): Promise<void> => {
    const answer = await fetch(`http://127.0.0.1:${node.port}/health`, {
      signal: AbortSignal.timeout(2_000),
    }).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.ok) {
      up.add(node);
      return;
    }
    up.delete(node);
    for (const [socket, to] of open) if (to === node) socket.destroy();
  };
  const timer = setInterval(() => void Promise.all(nodes.map(look)), 1_000);
  await Promise.all(nodes.map(look));
  const server = createServer((client) => {
    const alive = nodes.filter((node) => up.has(node));
    const node = alive[turn++ % Math.max(1, alive.length)];
    if (!node) return void client.destroy();
    const upstream = connect(node.port, '127.0.0.1');
    open.set(client, node);
    client.pipe(upstream).pipe(client);
    const end = (): void => {
      open.delete(client);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    async close() {
      clearInterval(timer);
      for (const socket of open.keys()) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const SAMPLE_MS = 100;

/** Sessions with open turns, and whether a live node owns them. */
const SAMPLE = `select s.id, n.id is not null as owned, n.address from sessions s left join nodes n on n.incarnation = s.owner
  where exists (select from turns t where t.session_id = s.id and t.state in ('queued', 'running'))`;

/** For how long a session with open work had no owner that could work: its owner was harmed, or dead. */
export interface Gap {
  sessionId: string;
  begin: number;
  harmedMs: number;
  deadMs: number;
}

/** Measures for how long sessions with open work have no owner that could work. */
export async function watchOwners(
  database: string,
  nodes: readonly Node[],
): Promise<{ gaps: Gap[]; stop(): Promise<void> }> {
  const client = new Client({ connectionString: database });
  await client.connect();
  const gaps: Gap[] = [];
  const open = new Map<string, Gap>();
  let stopped = false;
  const isHarmed = (address: string | null): boolean =>
    nodes.some(({ port, harmed }) => harmed && address?.endsWith(`:${port}`));
  const run = (async () => {
    let before = performance.now();
    while (!stopped) {
      const { rows } = await client.query<{ id: string; owned: boolean; address: string | null }>(SAMPLE);
      const at = performance.now();
      const without = rows.filter(({ owned, address }) => !owned || isHarmed(address));
      const ids = new Set(without.map(({ id }) => id));
      for (const { id, owned } of without) {
        const gap = open.get(id) ?? { sessionId: id, begin: at, harmedMs: 0, deadMs: 0 };
        if (open.has(id)) gap[owned ? 'harmedMs' : 'deadMs'] += at - before;
        open.set(id, gap);
      }
      for (const [id, gap] of open) {
        if (ids.has(id)) continue;
        gaps.push(gap);
        open.delete(id);
      }
      before = at;
      await sleep(SAMPLE_MS);
    }
    gaps.push(...open.values());
  })();
  return {
    gaps,
    async stop() {
      stopped = true;
      await run;
      await client.end();
    },
  };
}
