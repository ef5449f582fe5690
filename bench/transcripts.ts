/**
 * What it costs to keep transcripts in PostgreSQL: the wait at the end of a turn, the first turn of a session, the look
 * before a start, and a session that comes from another node. Beside it, in turns, one durable write of the store.
 *
 * Run: node --conditions=claude-agent-source bench/transcripts.ts
 */
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMirror } from '../packages/server/src/agent/claude/mirror/mirror.ts';
import { openPostgresStore } from '../packages/server/src/store/postgres.ts';
import { sampleEvent, sampleSession } from '../packages/server/test/support/samples.ts';
import { startDatabase } from './support/postgres.ts';
import { median, ms, printTable, quantile } from './support/table.ts';

const SESSIONS = 20;
const TURNS = 10;

/** A transcript as the agent writes it: a first turn with the tools and prompts that it sent, and further ones. */
const [sample] = process.argv.slice(2);
const text = sample === undefined ? undefined : readFileSync(sample, 'utf8');
const random = (length: number): string =>
  Array.from({ length: length / 8 }, () => Math.random().toString(36).slice(2, 10)).join('');
/** A sixth of it is what no compression takes away. */
const lines = (bytes: number): string =>
  `${JSON.stringify({ type: 'user', message: random(bytes / 6) + 'the same words '.repeat((bytes * 5) / 90) })}\n`;
const FIRST = text ?? lines(150_000);
const NEXT = lines(6_000);

const database = await startDatabase();
const store = await openPostgresStore({
  url: database.url,
});
const folders: string[] = [];
const node = (fence: number) => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-transcripts-'));
  folders.push(folder);
  mkdirSync(join(folder, 'projects', '-work'), { recursive: true });
  const mirror = createMirror({
    folder,
    transcripts: store.transcripts,
    store,
    fence: () => fence,
    onError: (error) => console.error(error),
  });
  return { mirror, place: (id: string) => join(folder, 'projects', '-work', `${id}.jsonl`) };
};

const times = new Map<string, number[]>();
const timed = async (what: string, work: () => Promise<unknown>): Promise<void> => {
  const start = performance.now();
  await work();
  times.set(what, [...(times.get(what) ?? []), performance.now() - start]);
};

try {
  const one = node(0);
  let bytes = 0;
  for (let session = 0; session < SESSIONS; session++) {
    const record = { ...sampleSession(), cwd: '/work' };
    const { id } = record;
    await store.write([{ kind: 'insert-session', session: record }]);
    const recording = one.mirror.open({ sessionId: id, conversationId: id });
    writeFileSync(one.place(id), FIRST);
    await timed('end of the first turn', () => recording.turnEnds());
    for (let turn = 0; turn < TURNS; turn++) {
      appendFileSync(one.place(id), NEXT);
      await timed('end of a turn', () => recording.turnEnds());
      await timed('one durable write', () => store.write([sampleEvent(id)]));
    }
    await recording.end();
    await timed('look before a start, nothing new', () => one.mirror.ready(id));
    const two = node(0);
    await timed('look before a start, on another node', () => two.mirror.ready(id));
    const row = await store.pool.get(
      'select sum(pg_column_size(data)) as bytes from transcript_chunks where session_id = $1',
      id,
    );
    bytes += Number(row?.bytes);
    appendFileSync(one.place(id), lines(10_000_000));
    await one.mirror.keep({ sessionId: id, conversationId: id });
    const three = node(0);
    await timed('the same with 10 MB', () => three.mirror.ready(id));
  }
  printTable(
    'transcripts',
    ['', 'median', 'p95'],
    [...times].map(([what, each]) => [what, ms(median(each)), ms(quantile(each, 0.95))]),
  );
  console.log(`stored of a session with ${TURNS + 1} turns: ${Math.round(bytes / SESSIONS / 1000)} KB`);
} finally {
  await store.close();
  await database.stop();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}
