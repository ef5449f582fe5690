/**
 * The same prompts through the agent SDK in this process and through the server over HTTP, alternating in
 * one run, against the same scripted model. Measures what the server adds.
 *
 * Run: node --conditions=claude-agent-source bench/turn.ts [turns=60] [sessions=10]
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProgram } from './support/child.ts';
import { agentEnvironment, openHttp, openSdk, type Times } from './support/conversations.ts';
import { median, ms, printTable, quantile } from './support/table.ts';

export async function benchTurn({ turns = 60, sessions = 10 } = {}): Promise<void> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'bench-turn-')));
  const work = join(base, 'work');
  mkdirSync(work);
  const upstream = await startProgram('bench/support/upstream.ts');
  const env = agentEnvironment(base, upstream.url);
  const server = await startProgram('packages/server/src/main.ts', {
    // Spares are what bench/start.ts is about.
    args: ['--port', '0', '--home', join(base, 'home'), '--root', work, '--spares', '0'],
    env,
  });

  const ways = {
    'SDK in-process': async () => openSdk(work, env),
    'HTTP, SSE': () => openHttp(server.url, 'text/event-stream'),
    'HTTP, blocking': () => openHttp(server.url, 'application/json'),
  };
  const names = Object.keys(ways) as (keyof typeof ways)[];
  const fresh = new Map(names.map((name) => [name, [] as number[]]));
  const next = new Map(names.map((name) => [name, [] as Times[]]));

  try {
    // New sessions: from nothing to the first token.
    for (let n = 0; n < sessions; n++) {
      for (const name of names) {
        const start = performance.now();
        const conversation = await ways[name]();
        const opened = performance.now() - start;
        fresh.get(name)?.push(opened + (await conversation.turn()).first);
        await conversation.close();
      }
    }
    // Next turns, alternating, so that what the machine does meanwhile meets all of them alike.
    const conversations = await Promise.all(names.map(async (name) => [name, await ways[name]()] as const));
    for (const [, conversation] of conversations) for (let n = 0; n < 3; n++) await conversation.turn();
    for (let n = 0; n < turns; n++) {
      for (const [name, conversation] of conversations) next.get(name)?.push(await conversation.turn());
    }
    for (const [, conversation] of conversations) await conversation.close();
  } finally {
    await server.stop();
    await upstream.stop();
    rmSync(base, { recursive: true, force: true });
  }

  const report = (title: string, valuesOf: (name: (typeof names)[number]) => number[]): void => {
    const base = median(valuesOf('SDK in-process'));
    printTable(
      title,
      ['', 'median', 'p90', 'ratio', 'slower by'],
      names.map((name) => {
        const values = valuesOf(name);
        const middle = median(values);
        return [
          name,
          ms(middle),
          ms(quantile(values, 0.9)),
          `${(middle / base).toFixed(2)}x`,
          ms(middle - base),
        ];
      }),
    );
  };
  report(`new session to first token (${sessions} each)`, (name) => fresh.get(name) ?? []);
  report(`next turn to first token (${turns} each)`, (name) =>
    (next.get(name) ?? []).map((times) => times.first),
  );
  report(`next turn to its end (${turns} each)`, (name) => (next.get(name) ?? []).map((times) => times.end));
}

if (import.meta.main) {
  const [turns, sessions] = process.argv.slice(2).map(Number);
  await benchTurn({ ...(turns && { turns }), ...(sessions && { sessions }) });
}
