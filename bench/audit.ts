/**
 * What the audit log costs: servers with it and without, on both stores, in one run and in turns. Processor time is the server's
 * and, on PostgreSQL, not the database's.
 *
 * Run (Linux): node --conditions=claude-agent-source bench/audit.ts [rounds=10] [only=a part of a name]
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Child, startProgram } from './support/child.ts';
import { agentEnvironment } from './support/conversations.ts';
import { startDatabase } from './support/postgres.ts';
import { cpuSeconds } from './support/process.ts';
import { median, ms, printTable } from './support/table.ts';

const STORES = ['SQLite', 'PostgreSQL'] as const;
const SIDES = ['with', 'without'] as const;
/** Entries are written within 100 ms: what a round leaves behind is written before the time is read. */
const SETTLE_MS = 150;

/** A server, and the session that it is asked about. */
class Side {
  readonly wall = new Map<string, number[]>();
  readonly cpu = new Map<string, number[]>();
  private readonly server: Child;
  private id = '';

  constructor(server: Child) {
    this.server = server;
  }

  async call(method: string, path: string, body: unknown, headers: Record<string, string> = {}) {
    const response = await fetch(this.server.url + path, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 500)}`);
    return JSON.parse(text) as Record<string, unknown>;
  }

  async begin(): Promise<void> {
    this.id = String((await this.call('POST', '/sessions', {})).session_id);
    await this.replay();
    await this.turn();
  }

  /** `times` calls, one after the other: adds how long each took, by itself or as it says, and the processor time of one. */
  async measure(name: string, times: number, work: () => Promise<unknown>): Promise<void> {
    const wall = this.wall.get(name) ?? [];
    await sleep(SETTLE_MS);
    const before = cpuSeconds(this.server.pid);
    for (let n = 0; n < times; n++) {
      const start = performance.now();
      const took = await work();
      wall.push(typeof took === 'number' ? took : performance.now() - start);
    }
    await sleep(SETTLE_MS);
    const spent = ((cpuSeconds(this.server.pid) - before) / times) * 1_000;
    this.wall.set(name, wall);
    this.cpu.set(name, [...(this.cpu.get(name) ?? []), spent]);
  }

  async turn(): Promise<void> {
    await this.call('POST', `/sessions/${this.id}/messages`, { message: 'say ten' });
  }

  /** All that `POST /messages` does but the turn: the same key gives the same turn. */
  async replay(): Promise<void> {
    const headers = { prefer: 'respond-async', 'idempotency-key': 'again' };
    await this.call('POST', `/sessions/${this.id}/messages`, { message: 'say again' }, headers);
  }

  async rename(): Promise<void> {
    await this.call('PATCH', `/sessions/${this.id}`, { title: `at ${performance.now()}` });
  }

  /** A turn that asks once. @returns how long the answer to its request took */
  async permission(): Promise<number> {
    const steps = [{ tools: [{ name: 'Bash', input: { command: 'touch made' } }] }, { say: 'done' }];
    const turn = this.call('POST', `/sessions/${this.id}/messages`, {
      message: `script: ${JSON.stringify(steps)}`,
    });
    // It is awaited only after the answer, which may fail before.
    turn.catch(() => {});
    const path = `/sessions/${this.id}/permissions/respond`;
    for (;;) {
      const { permissions } = (await this.call('GET', '/permissions', undefined)) as {
        permissions: { request_id: string }[];
      };
      const [request] = permissions;
      if (!request) {
        await sleep(5);
        continue;
      }
      const start = performance.now();
      await this.call('POST', path, { request_id: request.request_id, allowed: true });
      const took = performance.now() - start;
      await turn;
      return took;
    }
  }
}

export async function benchAudit(rounds = 10, only = ''): Promise<void> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'bench-audit-')));
  const work = join(base, 'work');
  mkdirSync(work);
  const databases = await Promise.all(SIDES.map(() => startDatabase()));
  const upstream = await startProgram('bench/support/upstream.ts');
  const env = agentEnvironment(base, upstream.url);
  const hook = `--import=${new URL('./support/no-audit.ts', import.meta.url)}`;
  const servers: Child[] = [];
  const sides = new Map<string, Side>();
  for (const store of STORES) {
    for (const [n, side] of SIDES.entries()) {
      const database = store === 'PostgreSQL' ? ['--database-url', databases[n]?.url ?? ''] : [];
      const server = await startProgram('packages/server/src/main.ts', {
        args: [
          '--port',
          '0',
          '--home',
          join(base, store + side),
          '--root',
          work,
          '--spares',
          '0',
          ...database,
        ],
        env: { ...env, ...(side === 'without' && { NODE_OPTIONS: hook }) },
      });
      servers.push(server);
      sides.set(`${store} ${side}`, new Side(server));
    }
  }
  const all: [name: string, times: number, work: (side: Side) => Promise<unknown>][] = [
    ['a message to its end', 4, (side) => side.turn()],
    ['POST /messages, the same key again', 80, (side) => side.replay()],
    ['PATCH /sessions/{id}', 80, (side) => side.rename()],
    ['an answer to a permission request (processor: its turn)', 2, (side) => side.permission()],
  ];
  const parts = all.filter(([name]) => name.includes(only));
  const load = loadavg()[0] ?? 0;
  try {
    for (const side of sides.values()) await side.begin();
    for (let round = 0; round < rounds; round++) {
      // Who comes first changes from round to round.
      const order = round % 2 === 0 ? [...sides.values()] : [...sides.values()].reverse();
      for (const [name, times, work] of parts)
        for (const side of order) await side.measure(name, times, () => work(side));
    }
    for (const store of STORES) {
      const [one, other] = SIDES.map((side) => sides.get(`${store} ${side}`)) as [Side, Side];
      const middle = (side: Side, kind: 'wall' | 'cpu', name: string) => median(side[kind].get(name) ?? []);
      const ratio = (kind: 'wall' | 'cpu', name: string): string =>
        (middle(one, kind, name) / middle(other, kind, name)).toFixed(2);
      printTable(
        `${store}, load ${load.toFixed(0)}: with the audit log / without`,
        ['', 'median', '', '', 'processor', '', ''],
        parts.map(([name]) => [
          name,
          ...(['wall', 'cpu'] as const).flatMap((kind) => [
            ms(middle(one, kind, name)),
            ms(middle(other, kind, name)),
            ratio(kind, name),
          ]),
        ]),
      );
    }
  } finally {
    for (const server of servers) await server.stop();
    await upstream.stop();
    for (const database of databases) await database.stop();
    rmSync(base, { recursive: true, force: true });
  }
}

if (import.meta.main) await benchAudit(Number(process.argv[2] ?? 10), process.argv[3]);
