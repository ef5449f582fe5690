import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const count = z.number().catch(0);
const ModelUsage = z.record(
  z.string(),
  z.object({
    inputTokens: count,
    outputTokens: count,
    cacheReadInputTokens: count,
    cacheCreationInputTokens: count,
    costUSD: count,
  }),
);
/** Cumulative sums by model, as results and transcripts carry them. */
export type ModelUsage = z.infer<typeof ModelUsage>;

const CostState = z.object({ type: z.literal('cost-state'), modelUsage: ModelUsage });

const MARK = '"type":"cost-state"';
const PIECE = 256 * 1024;

/**
 * The totals that a process which resumes a conversation goes on from. Measured on 2.1.330: the agent writes an entry
 * `cost-state` into the transcript when it ends in order (not after SIGKILL), and a resume begins with the LAST one
 * there is: after a kill with the one before. A fork has none and begins at zero.
 * @param configDir where the agent keeps its files
 */
export async function savedTotals(configDir: string, conversationId: string): Promise<ModelUsage> {
  const path = await find(join(configDir, 'projects'), `${conversationId}.jsonl`);
  if (path === undefined) return {};
  const file = await open(path);
  try {
    return await lastTotals(file);
  } finally {
    await file.close();
  }
}

/** The newest file of this name: a conversation that moved to another folder may have left one behind. */
async function find(projects: string, name: string): Promise<string | undefined> {
  const folders = await readdir(projects).catch(() => []);
  const found = await Promise.all(
    folders.map(async (folder) => {
      const path = join(projects, folder, name);
      const info = await stat(path).catch(() => undefined);
      return info ? [{ path, modified: info.mtimeMs }] : [];
    }),
  );
  return found.flat().sort((a, b) => b.modified - a.modified)[0]?.path;
}

/** Reads from the end, where the entry is after an orderly end; transcripts can have many megabytes. */
async function lastTotals(file: FileHandle): Promise<ModelUsage> {
  let end = (await file.stat()).size;
  /** The end of the line that begins in the piece before. */
  let cutOff: Buffer = Buffer.alloc(0);
  while (end > 0) {
    const start = Math.max(0, end - PIECE);
    const { buffer } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
    const piece = Buffer.concat([buffer, cutOff]);
    const first = start === 0 ? 0 : piece.indexOf(10) + 1;
    if (start > 0 && (first === 0 || first === piece.length)) {
      // A line longer than the piece is no cost-state, which has some hundred bytes a model.
      cutOff = Buffer.from('\n');
    } else {
      const lines = piece.subarray(first).toString('utf8').split('\n');
      const totals = lines.filter((line) => line.includes(MARK)).map(readTotals);
      const last = totals.filter((each) => each !== undefined).at(-1);
      if (last) return last;
      cutOff = piece.subarray(0, first);
    }
    end = start;
  }
  return {};
}

function readTotals(line: string): ModelUsage | undefined {
  try {
    return CostState.safeParse(JSON.parse(line)).data?.modelUsage;
  } catch {
    return undefined;
  }
}
