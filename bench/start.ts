/**
 * From nothing to the first token, alternating in one run against the same scripted model: a new session of the agent SDK
 * in this process, of the server without and with a spare, and of one that sleeps beside the SDK's own resume. Without a
 * spare in both forms: POST /sessions waits until the process is ready, or (`start: "lazy"`) the message starts it.
 *
 * Run: node --conditions=claude-agent-source bench/start.ts [rounds=12]
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Child, startProgram } from './support/child.ts';
import { agentEnvironment, type Conversation, openHttp, openSdk } from './support/conversations.ts';
import { median, ms, printTable, quantile } from './support/table.ts';

/** A spare is there within about a second; then the machine is quiet again. */
const SETTLE_MS = 2_500;

/** The session is there, and its first token. */
async function firstToken(open: () => Conversation | Promise<Conversation>): Promise<[number, Conversation]> {
  const start = performance.now();
  const conversation = await open();
  const opened = performance.now() - start;
  return [opened + (await conversation.turn()).first, conversation];
}

async function asleep(url: string, id: string): Promise<void> {
  for (;;) {
    const response = await fetch(`${url}/sessions/${id}/status`);
    const { state } = (await response.json()) as { state: string };
    if (state === 'asleep') return;
    await sleep(50);
  }
}

export async function benchStart(rounds = 12): Promise<void> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'bench-start-')));
  const work = join(base, 'work');
  mkdirSync(work);
  const upstream = await startProgram('bench/support/upstream.ts');
  const env = agentEnvironment(base, upstream.url);
  const config = join(base, 'config.json');
  writeFileSync(config, JSON.stringify({ sleep_after_seconds: 1 }));
  const serve = (name: string, spares: number): Promise<Child> =>
    startProgram('packages/server/src/main.ts', {
      args: [
        '--port',
        '0',
        '--home',
        join(base, name),
        '--root',
        work,
        '--config',
        config,
        '--spares',
        `${spares}`,
      ],
      env,
    });
  const [cold, spared] = [await serve('cold', 0), await serve('spared', 1)];
  const times = { sdk: [], lazy: [], cold: [], spare: [], resume: [], wake: [] } as Record<string, number[]>;
  const note = (name: string, value: number): void => void times[name]?.push(value);

  try {
    for (let round = 0; round < rounds; round++) {
      await sleep(SETTLE_MS);
      const [sdk, first] = await firstToken(() => openSdk(work, env));
      await first.close();
      note('sdk', sdk);
      const [own, session] = await firstToken(() => openHttp(cold.url, 'text/event-stream'));
      note('cold', own);
      const [late, other] = await firstToken(() => openHttp(cold.url, 'text/event-stream', 'lazy'));
      note('lazy', late);
      await other.close();
      const [spare, taken] = await firstToken(() => openHttp(spared.url, 'text/event-stream'));
      note('spare', spare);
      await taken.close();
      await asleep(cold.url, session.id);
      const [resume, resumed] = await firstToken(() => openSdk(work, env, first.id));
      await resumed.close();
      note('resume', resume);
      note('wake', (await session.turn()).first);
      await session.close();
    }
  } finally {
    await Promise.all([cold.stop(), spared.stop()]);
    await upstream.stop();
    rmSync(base, { recursive: true, force: true });
  }

  const row = (title: string, name: string, to: string, goal?: number): string[] => {
    const [middle, against] = [median(times[name] ?? []), median(times[to] ?? [])];
    const ratio = middle / against;
    const reached = goal === undefined ? '' : ratio <= goal ? `reached ${goal}x` : `NOT reached: ${goal}x`;
    return [title, ms(middle), ms(quantile(times[name] ?? [], 0.9)), `${ratio.toFixed(2)}x`, reached];
  };
  printTable(
    `to the first token (${rounds} each)`,
    ['', 'median', 'p90', 'ratio', ''],
    [
      row('SDK query(), cold', 'sdk', 'sdk'),
      row('a new session, cold', 'lazy', 'sdk', 1.05),
      row('the same, POST /sessions waits for the process', 'cold', 'sdk', 1.05),
      row('a new session, with a spare', 'spare', 'sdk', 0.4),
      row('SDK resume', 'resume', 'resume'),
      row('a sleeping session', 'wake', 'resume', 1.05),
    ],
  );
}

if (import.meta.main) {
  const [rounds] = process.argv.slice(2).map(Number);
  await benchStart(rounds);
}
