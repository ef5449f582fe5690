import type { KeptAbout, KeptFile, KeptPart, TranscriptStore } from '../../../store/transcripts.ts';
import { summarize } from '../library/read.ts';
import { type LocalFile, localFiles, newParts } from './local.ts';

/** What one call to the database takes. */
const BATCH_BYTES = 4 * 1024 * 1024;
const BATCH_PARTS = 500;
/** Larger files stay here: a copy of a file that the agent changed can have any size. */
export const LARGEST_FILE = 256 * 1024 * 1024;

/** What is stored of a conversation. */
export interface Stored {
  files: Map<string, KeptFile>;
  /** Size and time of the files here when they were the same. */
  seen: Map<string, LocalFile>;
}

export interface UploadDeps {
  /** The agent's configuration folder. */
  folder: string;
  transcripts: Pick<TranscriptStore, 'keep'>;
  onTooLarge(file: LocalFile): void;
}

/**
 * Stores what is new in a conversation's files here, and notes it in `stored`. After a failure nobody knows what is stored.
 * @param turnId the newest turn that the transcript has whole, if that is known
 * @returns false when another node owns the session
 */
export async function storeFiles(
  { folder, transcripts, onTooLarge }: UploadDeps,
  owner: { sessionId: string; fence: number },
  conversationId: string,
  stored: Stored,
  turnId?: string,
): Promise<boolean> {
  let batch: KeptPart[] = [];
  let bytes = 0;
  const send = async (about?: KeptAbout): Promise<boolean> => {
    if (!(await transcripts.keep(owner, conversationId, batch, about))) return false;
    for (const { path, version, whole } of batch)
      if (whole) stored.files.set(path, { path, version, ...whole });
    [batch, bytes] = [[], 0];
    return true;
  };
  const path = `${conversationId}.jsonl`;
  const files = await localFiles(folder, conversationId, stored.seen.get(path));
  for (const file of files) {
    if (isSeen(stored, file)) continue;
    if (file.size > LARGEST_FILE) {
      onTooLarge(file);
      continue;
    }
    for await (const part of newParts(file, stored.files.get(file.path))) {
      batch.push(part);
      bytes += part.data.length;
      const isFull = bytes >= BATCH_BYTES || batch.length >= BATCH_PARTS;
      if (isFull && !(await send())) return false;
    }
    stored.seen.set(file.path, file);
  }
  const transcript = files.find((file) => file.path === path);
  const shown = transcript && shownOf(transcript.place);
  if (batch.length === 0 && (!shown || turnId === undefined)) return true;
  return send(shown && { turnId, ...shown });
}

/** Whether a file here has not changed since it was the same as the stored one. */
export function isSeen({ seen }: Stored, { path, size, modified }: LocalFile): boolean {
  const before = seen.get(path);
  return before?.size === size && before.modified === modified;
}

/** What lists show of a transcript; undefined while nothing was said. */
function shownOf(path: string): Pick<KeptAbout, 'preview' | 'title'> | undefined {
  const { isConversation, named, title, prompt } = summarize(path);
  if (!isConversation) return undefined;
  return { preview: (named ? title : prompt) || prompt || title || '', title };
}
