import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type LocalFile, localFiles } from '../agent/claude/mirror/local.ts';
import { LARGEST_FILE, storeFiles } from '../agent/claude/mirror/upload.ts';
import type { KeptFile, TranscriptStore } from '../store/transcripts.ts';
import type { SourceDatabase } from './source.ts';

/** The agent's files of the conversations of a home. */
export interface Conversations {
  source: SourceDatabase;
  /** The agent's configuration folder. */
  folder: string;
  transcripts: TranscriptStore;
}

/** What was found of them. */
export interface FoundFiles {
  files: number;
  /** Present conversations that the agent has begun, and of which it has no transcript here. */
  missing: number;
  /** Files that are too large to be stored. */
  tooLarge: string[];
}

/** Nobody has owned a session that is being moved. */
const FENCE = 0;

/** Counts the files, without a look into them. */
export async function findFiles({ source, folder }: Omit<Conversations, 'transcripts'>): Promise<FoundFiles> {
  const found: FoundFiles = { files: 0, missing: 0, tooLarge: [] };
  for (const { id, hasTranscript } of source.conversations()) {
    const files = await localFiles(folder, id);
    found.files += files.length;
    if (files.length === 0 && hasTranscript) found.missing += 1;
    found.tooLarge.push(...files.filter(({ size }) => size > LARGEST_FILE).map(({ place }) => place));
  }
  return found;
}

/** Stores the files of all conversations; what is stored already is only looked at. */
export async function copyFiles(
  { source, folder, transcripts }: Conversations,
  onConversation: (count: number) => void,
): Promise<void> {
  // `findFiles` has told of them.
  const uploads = { folder, transcripts, onTooLarge: () => {} };
  for (const { id, sessionId, turnId } of source.conversations()) {
    const stored = await transcripts.files(sessionId, id);
    const files = new Map(stored.map((file) => [file.path, file]));
    const state = { files, seen: new Map() };
    const isKept = await storeFiles(uploads, { sessionId, fence: FENCE }, id, state, turnId);
    if (!isKept) throw new Error(`a server has begun with session ${sessionId}`);
    onConversation(1);
  }
}

/** Reads all files back from the store. @returns the paths of those that are not what is here */
export async function compareFiles(
  { source, folder, transcripts }: Conversations,
  onConversation: (count: number) => void,
): Promise<string[]> {
  const differing: string[] = [];
  for (const { id, sessionId } of source.conversations()) {
    const stored = new Map((await transcripts.files(sessionId, id)).map((file) => [file.path, file]));
    for (const file of await localFiles(folder, id)) {
      if (file.size > LARGEST_FILE) continue;
      const kept = stored.get(file.path);
      if (!kept || !(await isSame(file, kept, transcripts.read(sessionId, id, kept))))
        differing.push(file.place);
    }
    onConversation(1);
  }
  return differing;
}

/** A line without an end was never taken for a part of a conversation. */
async function isSame(
  { place, size, path }: LocalFile,
  kept: KeptFile,
  content: AsyncIterable<Buffer>,
): Promise<boolean> {
  if (kept.size > size || (kept.size < size && !path.endsWith('.jsonl'))) return false;
  const [there, here] = [createHash('sha256'), createHash('sha256')];
  await digest(there, content);
  if (kept.size > 0) await digest(here, createReadStream(place, { end: kept.size - 1 }));
  return there.digest('hex') === here.digest('hex');
}

async function digest(hash: Hash, content: AsyncIterable<unknown>): Promise<void> {
  for await (const part of content) hash.update(part as Buffer);
}
