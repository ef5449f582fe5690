import { rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { newDatabase } from './postgres.ts';
import { cleanUp, startTestServer, type TestServer, type TestServerOptions } from './server.ts';

/**
 * Short, so that tests need not wait long; a lease of less than a second is lost on a busy machine now and then, and with a
 * load of 18 an agent was not gone 0.13 s before its session's next owner went on.
 */
export const HEARTBEAT_SECONDS = 0.25;
export const LEASE_SECONDS = 2.5;

/** Several real servers on one database, folder and home of the user. */
export interface TestCluster {
  database: string;
  nodes: TestServer[];
  /** Starts one more node, or one again on the home of a node that ended. */
  start(options?: TestServerOptions): Promise<TestServer>;
  stop(): Promise<void>;
}

export async function startTestCluster(count: number, options: TestServerOptions = {}): Promise<TestCluster> {
  const database = await newDatabase();
  const nodes: TestServer[] = [];
  const start = async (more: TestServerOptions = {}): Promise<TestServer> => {
    const [first] = nodes;
    const given = { ...options, ...more };
    const node = await startTestServer({
      ...given,
      args: [
        ...['--heartbeat-seconds', String(HEARTBEAT_SECONDS)],
        ...['--lease-seconds', String(LEASE_SECONDS)],
        // Nothing stands before them, but for a test that says so. An older version does not know it.
        ...(given.program === undefined ? ['--drain-seconds', '0'] : []),
        ...(given.args ?? []),
      ],
      env: { AGENT_SERVER_DATABASE_URL: database, ...given.env },
      ...(!more.on && first && { beside: first }),
    });
    nodes.push(node);
    return node;
  };
  for (let n = 0; n < count; n++) await start();
  return {
    database,
    nodes,
    start,
    async stop() {
      const [first, ...others] = nodes;
      await Promise.all(others.map((node) => node.stop()));
      await cleanUp(first);
      for (const { home } of others)
        rmSync(join(home, '..'), { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** A way to the database that can be cut. */
export interface DatabaseProxy {
  url: string;
  /** Breaks all connections, and refuses new ones. */
  cut(): void;
  /** Takes connections again. */
  mend(): void;
  close(): Promise<void>;
}

/** @param database as `newDatabase` gives it: on a unix socket */
export async function startProxy(database: string): Promise<DatabaseProxy> {
  const { pathname, searchParams } = new URL(database);
  const socket = join(searchParams.get('host') ?? '', '.s.PGSQL.5432');
  const open = new Set<Socket>();
  let isCut = false;
  const server: Server = createServer((client) => {
    if (isCut) return void client.destroy();
    const upstream = connect(socket);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        open.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const cut = (): void => {
    isCut = true;
    for (const each of open) each.destroy();
  };
  return {
    url: `postgres://test@127.0.0.1:${port}${pathname}`,
    cut,
    mend() {
      isCut = false;
    },
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
