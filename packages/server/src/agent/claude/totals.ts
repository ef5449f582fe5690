import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { READ_PLAIN } from '../plain-file.ts';
import { findTranscript, linesFromEnd } from './transcript-file.ts';

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
/** Cumulative totals by model, as results and transcripts carry them. */
export type ModelUsage = z.infer<typeof ModelUsage>;

const CostState = z.object({ type: z.literal('cost-state'), modelUsage: ModelUsage });

const MARK = '"type":"cost-state"';

/**
 * The totals that a process starts from when it resumes a conversation. Measured on 2.1.330: the agent writes a
 * `cost-state` entry into the transcript on an orderly exit (not after SIGKILL), and a resume starts from the LAST
 * entry there is: after a kill, from the one before. A fork has none and starts at zero.
 * @param configDir where the agent keeps its files
 */
export async function savedTotals(configDir: string, conversationId: string): Promise<ModelUsage> {
  const path = await findTranscript(join(configDir, 'projects'), conversationId);
  if (path === undefined) return {};
  const file = await open(path, READ_PLAIN);
  try {
    return await lastTotals(file);
  } finally {
    await file.close();
  }
}

/** Reads backwards: after an orderly exit the entry is at the end, and transcripts can have many megabytes. */
async function lastTotals(file: FileHandle): Promise<ModelUsage> {
  for await (const line of linesFromEnd(file)) {
    const totals = line.includes(MARK) ? readTotals(line) : undefined;
    if (totals) return totals;
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
