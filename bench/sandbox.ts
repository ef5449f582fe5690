/**
 * What a sandbox costs: the same prompts through a server whose agents see the machine, and through others whose agents
 * are in sandboxes, with the machine's network, with a user for each tenant, and without a network, alternating in one run. The first token of a new session, and
 * the end of the next turns.
 *
 * Run: node --conditions=claude-agent-source bench/sandbox.ts [sessions=10] [turns=60]
 */
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProgram } from './support/child.ts';
import { agentEnvironment, openHttp } from './support/conversations.ts';
import { cpuSeconds, descendants } from './support/process.ts';
import { median, ms, printTable, quantile } from './support/table.ts';

/** Agents without a network use the gateway; the others do it too, so that only the sandbox differs. */
const WAYS = {
  off: { mode: 'off' },
  open: { mode: 'required' },
  // As `open`, with a user for each tenant: only root can.
  uids: { tenant_uids: { first: 283_000, count: 10 } },
  none: { network: 'none' },
} as const;
const NAMES = (Object.keys(WAYS) as (keyof typeof WAYS)[]).filter(
  (name) => name !== 'uids' || process.getuid?.() === 0,
);

const cpuOf = (pid: number): number =>
  [pid, ...descendants(pid)].reduce((sum, each) => sum + cpuSeconds(each), 0);

export async function benchSandbox(sessions = 10, turns = 60): Promise<void> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'bench-sandbox-')));
  const work = join(base, 'work');
  mkdirSync(work);
  chmodSync(work, 0o1777);
  const upstream = await startProgram('bench/support/upstream.ts');
  const { ANTHROPIC_API_KEY: _, ANTHROPIC_BASE_URL: __, ...env } = agentEnvironment(base, upstream.url);
  const gateway = {
    providers: { scripted: { api: 'anthropic', base_url: upstream.url, api_key: 'bench' } },
    models: { demo: 'scripted/demo' },
  };
  const servers = await Promise.all(
    NAMES.map(async (name) => {
      const config = join(base, `${name}.json`);
      writeFileSync(config, JSON.stringify({ sandbox: WAYS[name], gateway, model: 'demo' }));
      const args = [
        '--port',
        '0',
        '--home',
        join(base, name),
        '--root',
        work,
        '--config',
        config,
        '--spares',
        '0',
      ];
      return { name, server: await startProgram('packages/server/src/main.ts', { args, env }) };
    }),
  );
  const fresh = new Map(NAMES.map((name) => [name, [] as number[]]));
  const next = new Map(NAMES.map((name) => [name, [] as number[]]));
  /** Server and agent, milliseconds a turn: on a busy machine the only figure that says something. */
  const cpu = new Map<string, number>();

  try {
    for (let n = 0; n < sessions; n++) {
      for (const { name, server } of servers) {
        const start = performance.now();
        const conversation = await openHttp(server.url, 'text/event-stream');
        const opened = performance.now() - start;
        fresh.get(name)?.push(opened + (await conversation.turn()).first);
        await conversation.close();
      }
    }
    const conversations = await Promise.all(
      servers.map(
        async ({ name, server }) => [name, await openHttp(server.url, 'application/json')] as const,
      ),
    );
    for (const [, conversation] of conversations) for (let n = 0; n < 3; n++) await conversation.turn();
    const before = servers.map(({ server }) => cpuOf(server.pid));
    for (let n = 0; n < turns; n++) {
      for (const [name, conversation] of conversations) next.get(name)?.push((await conversation.turn()).end);
    }
    for (const [index, { name, server }] of servers.entries()) {
      cpu.set(name, ((cpuOf(server.pid) - (before[index] ?? 0)) * 1000) / turns);
    }
    for (const [, conversation] of conversations) await conversation.close();
  } finally {
    for (const { server } of servers) await server.stop();
    await upstream.stop();
    rmSync(base, { recursive: true, force: true });
  }

  const report = (title: string, times: ReadonlyMap<string, number[]>): void => {
    const without = median(times.get('off') ?? []);
    printTable(
      title,
      ['sandbox', 'median', 'p90', 'ratio'],
      NAMES.map((name) => {
        const values = times.get(name) ?? [];
        return [name, ms(median(values)), ms(quantile(values, 0.9)), (median(values) / without).toFixed(3)];
      }),
    );
  };
  report(`From nothing to the first token, ${sessions} sessions each`, fresh);
  report(`Next turn, ${turns} turns each`, next);
  printTable(
    'Processor time of a next turn, server and agent',
    ['sandbox', 'a turn', 'ratio'],
    NAMES.map((name) => [
      name,
      ms(cpu.get(name) ?? 0),
      ((cpu.get(name) ?? 0) / (cpu.get('off') ?? 1)).toFixed(3),
    ]),
  );
}

if (import.meta.main) await benchSandbox(...process.argv.slice(2).map(Number));
