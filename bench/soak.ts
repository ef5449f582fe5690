/**
 * Whether anything grows: thousands of turns over hundreds of sessions with real agents, the demo model behind the
 * server's own gateway. Prints the server's memory, open files and processes over time, and what is left at the end.
 *
 * Run (Linux): node --conditions=claude-agent-source bench/soak.ts [turns=3000] [sessions=300] [live agents=8]
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startProgram } from './support/child.ts';
import { cpuSeconds, descendants, memoryOf, openFiles } from './support/process.ts';
import { median, printTable } from './support/table.ts';

/** Turns that a session gets before its process is wanted elsewhere. */
const BATCH = 5;
const SAMPLES = 20;
const SLEEP_AFTER_SECONDS = 5;
const PROMPT = 'script: [{"say":"one two three four five six seven eight nine ten"}]';

interface Sample {
  turns: number;
  seconds: number;
  memory: number;
  files: number;
  processes: number;
  store: number;
}

export async function benchSoak(turns = 3_000, sessions = 300, live = 8): Promise<void> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'bench-soak-')));
  const [work, home, config] = [join(base, 'work'), join(base, 'home'), join(base, 'config.json')];
  mkdirSync(work);
  writeFileSync(config, JSON.stringify({ sleep_after_seconds: SLEEP_AFTER_SECONDS }));
  // As it is published.
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: join(import.meta.dirname, '..') });
  const options = ['--port', '0', '--home', home, '--root', work, '--config', config, '--demo'];
  const server = await startProgram('packages/server/dist/bin.js', {
    args: [...options, '--spares', '0', '--max-live-agents', String(live)],
    env: { HOME: base, IS_SANDBOX: '1' },
    built: true,
  });
  const begin = performance.now();
  const samples: Sample[] = [];
  let done = 0;
  let most = 0;

  const call = async (path: string, body: object): Promise<{ session_id: string; is_error?: boolean }> => {
    const response = await fetch(`${server.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as { session_id: string };
  };

  const sample = (): void => {
    const processes = descendants(server.pid).length;
    most = Math.max(most, processes);
    samples.push({
      turns: done,
      seconds: (performance.now() - begin) / 1000,
      memory: memoryOf(server.pid).now,
      files: openFiles(server.pid),
      processes,
      store: statSync(join(home, 'server.db')).size / 1e6,
    });
    const { seconds, memory, files } = samples.at(-1) as Sample;
    console.log(
      `${done} turns, ${seconds.toFixed(0)} s: ${memory.toFixed(0)} MB, ${files} files, ${processes} processes`,
    );
  };

  try {
    const ids = await Promise.all(
      Array.from({ length: sessions }, async () => (await call('/sessions', { start: 'lazy' })).session_id),
    );
    sample();
    const batches = Array.from({ length: Math.ceil(turns / BATCH) }, (_, n) => ids[n % sessions] ?? '');
    const step = Math.ceil(turns / SAMPLES);
    const work = async (): Promise<void> => {
      for (let id = batches.shift(); id !== undefined; id = batches.shift()) {
        for (let n = 0; n < BATCH; n++) {
          const { is_error } = await call(`/sessions/${id}/messages`, { message: PROMPT });
          if (is_error) throw new Error(`a turn of ${id} failed`);
          done += 1;
          if (done % step === 0) sample();
        }
      }
    };
    await Promise.all(Array.from({ length: live }, work));
    const busy = cpuSeconds(server.pid);
    // Until the last have gone to sleep.
    await sleep((SLEEP_AFTER_SECONDS + 15) * 1000);
    sample();
    report(samples, { most, live, busy });
  } finally {
    await server.stop();
    rmSync(base, { recursive: true, force: true });
  }
}

function report(
  samples: readonly Sample[],
  { most, live, busy }: { most: number; live: number; busy: number },
): void {
  printTable(
    'over time',
    ['turns', 'minutes', 'memory', 'open files', 'processes', 'database'],
    samples.map(({ turns, seconds, memory, files, processes, store }) => [
      String(turns),
      (seconds / 60).toFixed(1),
      `${memory.toFixed(0)} MB`,
      String(files),
      String(processes),
      `${store.toFixed(1)} MB`,
    ]),
  );
  const running = samples.slice(1, -1);
  const half = Math.floor(running.length / 2);
  const of = (list: readonly Sample[], pick: (sample: Sample) => number): number => median(list.map(pick));
  const [early, late] = [running.slice(0, half), running.slice(half)];
  const row = (name: string, pick: (sample: Sample) => number): string[] => {
    const [before, after] = [of(early, pick), of(late, pick)];
    return [name, before.toFixed(0), after.toFixed(0), `${(after / before).toFixed(2)}x`];
  };
  printTable(
    'medians of the first and of the second half',
    ['', 'first', 'second', 'ratio'],
    [
      row('memory, MB', ({ memory }) => memory),
      row('open files', ({ files }) => files),
      row('processes', ({ processes }) => processes),
    ],
  );
  const turns = samples.at(-1)?.turns ?? 0;
  console.log(
    `at most ${most} processes with ${live} live agents; ${((busy * 1000) / turns).toFixed(1)} ms of the server's processor time a turn`,
  );
}

if (import.meta.main) {
  const [turns, sessions, live] = process.argv.slice(2).map(Number);
  await benchSoak(turns, sessions, live);
}
