import { type FileHandle, lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { byTrust } from '../sandbox/live-folders.ts';
import { summarize } from './library/read.ts';

const CHUNK = 256 * 1024;
/** Transcripts hold images and long results; a longer line is treated as empty. */
const LONGEST_LINE = 32 * 1024 * 1024;

/** The lines of a file from last to first, read only as far as the caller iterates. */
export async function* linesFromEnd(file: FileHandle): AsyncGenerator<string, void, void> {
  let end = (await file.stat()).size;
  /** The start of the line that the next chunk ends in, in order. */
  let open: Buffer[] = [];
  let openBytes = 0;
  const take = (head: Buffer): string => {
    const line = openBytes > LONGEST_LINE ? '' : Buffer.concat([head, ...open]).toString('utf8');
    open = [];
    openBytes = 0;
    return line;
  };
  while (end > 0) {
    const start = Math.max(0, end - CHUNK);
    const { buffer } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
    let last = buffer.length;
    for (let at = buffer.lastIndexOf(10); at >= 0; at = at === 0 ? -1 : buffer.lastIndexOf(10, at - 1)) {
      const line = take(buffer.subarray(at + 1, last));
      if (line !== '') yield line;
      last = at;
    }
    const rest = buffer.subarray(0, last);
    openBytes += rest.length;
    if (openBytes > LONGEST_LINE) open = [];
    else open.unshift(rest);
    end = start;
  }
  const first = take(Buffer.alloc(0));
  if (first !== '') yield first;
}

/**
 * The path of a conversation's transcript.
 * @param projects the agent's folder of transcript folders
 */
export async function findTranscript(projects: string, conversationId: string): Promise<string | undefined> {
  const folders = await readdir(projects).catch(() => []);
  const found = await Promise.all(
    folders.map(async (folder) => {
      const path = join(projects, folder, `${conversationId}.jsonl`);
      const info = await lstat(path).catch(() => undefined);
      return info?.isFile() ? [{ path, folder, modified: info.mtimeMs, born: info.birthtimeMs }] : [];
    }),
  );
  return found.flat().sort(byTrust(conversationId))[0]?.path;
}

/**
 * Removes a transcript without a message. A process that was killed within its first second leaves one, which cannot be
 * resumed; and the agent refuses to start a conversation under an id that has a file ("Session ID is already in use").
 * @returns whether there was one
 */
export async function removeStub(projects: string, conversationId: string): Promise<boolean> {
  const path = await findTranscript(projects, conversationId);
  if (path === undefined || summarize(path).isConversation) return false;
  await rm(path);
  return true;
}
