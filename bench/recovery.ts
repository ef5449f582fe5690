/**
 * Kills the server (`--mode server`) or its agents (`--mode agents`) at random moments, or fills its disk (`--mode disk`),
 * under a load of 20 sessions; then compares the store, the side effects and the clients' records.
 *
 * Run: node --conditions=claude-agent-source bench/recovery.ts [--kills 300] [--seed 1] [--mode server]
 *      [--pace 1] [--minutes 60]
 * `--pace 0.3` makes the pauses between kills shorter; after `--minutes` no more follow.
 */
import { parseArgs } from 'node:util';
import { isClean, printAnswers, printFindings } from './chaos/report.ts';
import { type Mode, type Outcome, runChaos } from './chaos/run.ts';
import { ms, printTable, quantile } from './support/table.ts';

/** Prints what a run has found. @returns whether nothing was wrong */
export function report({ findings, counts, restarts, told, seed, mode }: Outcome): boolean {
  printFindings(`recovery, --mode ${mode} --seed ${seed}`, counts, findings);
  if (restarts.length > 0) {
    const parts = [0, 0.5, 0.9, 0.99, 1];
    printTable(
      `from the start of a server to its readiness (${restarts.length})`,
      parts.map((part) => (part === 0 ? 'least' : part === 1 ? 'most' : `p${part * 100}`)),
      [parts.map((part) => ms(quantile(restarts, part)))],
    );
  }
  printAnswers(told);
  return isClean(findings);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '300' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      mode: { type: 'string', default: 'server' },
      pace: { type: 'string', default: '1' },
      minutes: { type: 'string' },
    },
  });
  const outcome = await runChaos({
    kills: Number(values.kills),
    seed: Number(values.seed),
    mode: values.mode as Mode,
    pace: Number(values.pace),
    ...(values.minutes && { minutes: Number(values.minutes) }),
    log: console.log,
  });
  process.exitCode = report(outcome) ? 0 : 1;
}
