/**
 * What `GET /sessions/available` costs with many transcripts on disk: the time of the first and of later lists, how long
 * the server's own event loop is held up meanwhile, and how much memory grows.
 *
 * Run: node --conditions=claude-agent-source bench/available.ts [transcripts=3000,10000] [kilobytes=120]
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { createLibrary, type Library } from '../packages/server/src/agent/claude/library/library.ts';
import { median, printTable } from './support/table.ts';

const counts = (process.argv[2] ?? '3000,10000').split(',').map(Number);
const kilobytes = Number(process.argv[3] ?? 120);

/** As Claude Code writes them: 120 KB for two short turns, most of it what it sent. */
function fill(projects: string, count: number): void {
  const filler = JSON.stringify({ type: 'api-request-blob', text: 'x'.repeat(kilobytes * 1024) });
  for (let n = 0; n < count; n++) {
    const folder = join(projects, `-work-${n % 50}`);
    mkdirSync(folder, { recursive: true });
    const prompt = { type: 'user', message: { content: `prompt ${n}` }, cwd: `/work/${n % 50}` };
    writeFileSync(join(folder, `${randomUUID()}.jsonl`), `${JSON.stringify(prompt)}\n${filler}\n`);
  }
}

const page = (library: Library) =>
  library.list({ roots: ['/work'], without: [], limit: 20, offset: 0 }).then(({ total }) => total);

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

const rows: string[][] = [];
for (const count of counts) {
  const folder = mkdtempSync(join(tmpdir(), 'bench-available-'));
  const projects = join(folder, 'projects');
  fill(projects, count);
  const library = createLibrary({ projects, file: join(folder, 'transcripts.db') });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const memory = process.memoryUsage().rss;
  let peak = memory;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss);
  }, 20);
  delay.enable();
  const first = await timed(() => page(library));
  const later: number[] = [];
  for (let n = 0; n < 9; n++) later.push(await timed(() => page(library)));
  const twenty = await timed(() => Promise.all(Array.from({ length: 20 }, () => page(library))));
  delay.disable();
  clearInterval(watch);
  if ((await page(library)) !== count) throw new Error('not all transcripts were listed');
  rows.push([
    String(count),
    `${first.toFixed(0)} ms`,
    `${median(later).toFixed(1)} ms`,
    `${twenty.toFixed(0)} ms`,
    `${(delay.max / 1e6).toFixed(0)} ms`,
    `${((peak - memory) / 2 ** 20).toFixed(0)} MB`,
  ]);
  await library.close();
  rmSync(folder, { recursive: true });
}
printTable(
  'GET /sessions/available',
  ['transcripts', 'first list', 'later lists', '20 at once', 'loop held up at most', 'memory grew'],
  rows,
);
