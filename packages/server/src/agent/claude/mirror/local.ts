import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import type { KeptFile, KeptPart } from '../../../store/transcripts.ts';
import { READ_PLAIN } from '../../plain-file.ts';
import { projectFolder } from '../rebuild.ts';
import { findTranscript } from '../transcript-file.ts';

/** How much of a file's end says that it is the same: entries have ids and times of their own. */
const TAIL = 64 * 1024;
const CHUNK = 1024 * 1024;
const NEWLINE = 10;

/**
 * Folders of the agent with a folder for each conversation: copies of files that it changed (`rewind` needs them), and
 * its task lists. Measured on 2.1.330.
 */
const BESIDE = ['file-history', 'tasks'];

/** A file of a conversation on this machine. */
export interface LocalFile {
  /** As in `KeptFile`. */
  path: string;
  place: string;
  size: number;
  modified: number;
}

/**
 * All files of a conversation that another machine needs to continue it.
 * @param before its transcript as it was: one that grows is the one in use, and no other folder is searched
 */
export async function localFiles(
  folder: string,
  conversationId: string,
  before?: Pick<LocalFile, 'place' | 'size'>,
): Promise<LocalFile[]> {
  const transcript =
    (before && (await isLonger(before)) ? before.place : undefined) ??
    (await findTranscript(join(folder, 'projects'), conversationId));
  if (transcript === undefined) return [];
  const project = dirname(transcript);
  const found = await Promise.all([
    describe(`${conversationId}.jsonl`, project),
    ...(await below(project, conversationId)),
    ...(await Promise.all(BESIDE.map((name) => below(folder, join(name, conversationId))))).flat(),
  ]);
  return found.flatMap((file) => file ?? []);
}

async function isLonger({ place, size }: Pick<LocalFile, 'place' | 'size'>): Promise<boolean> {
  const info = await lstat(place).catch(() => undefined);
  return info?.isFile() === true && info.size > size;
}

async function below(root: string, path: string): Promise<Promise<LocalFile | undefined>[]> {
  const entries = await readdir(join(root, path), { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile() && !isPartial(entry.name))
    .map((entry) => describe(join(entry.parentPath, entry.name).slice(root.length + 1), root));
}

/** undefined for one that has gone meanwhile. */
async function describe(path: string, root: string): Promise<LocalFile | undefined> {
  const place = join(root, path);
  const info = await lstat(place).catch(() => undefined);
  return info?.isFile() ? { path, place, size: info.size, modified: info.mtimeMs } : undefined;
}

/** Where a stored file of a conversation belongs here: where its transcript is, or would be for this folder. */
export async function placesOf(
  folder: string,
  conversation: { id: string; cwd: string },
): Promise<(path: string) => string> {
  const projects = join(folder, 'projects');
  const transcript = await findTranscript(projects, conversation.id);
  const project = transcript ? dirname(transcript) : projectFolder(projects, conversation.cwd);
  return (path) => {
    if (normalize(path) !== path || path.startsWith('..') || path.startsWith('/'))
      throw new Error(`The stored path ${path} of a conversation leads elsewhere.`);
    return join(path.startsWith(conversation.id) ? project : folder, path);
  };
}

const tailOf = (end: Buffer): string =>
  createHash('sha256')
    .update(end.subarray(Math.max(0, end.length - TAIL)))
    .digest('hex');

/** The end of the first `size` bytes of a file; undefined where they do not end like that file. */
async function sameUpTo(file: FileHandle, kept: KeptFile): Promise<Buffer | undefined> {
  const length = Math.min(kept.size, TAIL);
  const end = Buffer.alloc(length);
  if ((await readFully(file, end, kept.size - length)) < length) return undefined;
  return tailOf(end) === kept.tail ? end : undefined;
}

async function readFully(file: FileHandle, into: Buffer, from: number): Promise<number> {
  let read = 0;
  while (read < into.length) {
    const { bytesRead } = await file.read(into, read, into.length - read, from + read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return read;
}

/** Whether a file here is the stored one, perhaps with more behind it. */
export async function isAsStored(place: string, kept: KeptFile): Promise<boolean> {
  const file = await open(place, READ_PLAIN).catch(() => undefined);
  if (!file) return false;
  try {
    return (await sameUpTo(file, kept)) !== undefined;
  } finally {
    await file.close();
  }
}

/**
 * What has to be stored of a file, in parts: what is behind the stored bytes, or all of it under the next version where
 * it was written anew. Only whole lines of JSON Lines, because the agent may be writing.
 */
export async function* newParts(
  { path, place, size }: LocalFile,
  kept: KeptFile | undefined,
): AsyncGenerator<KeptPart, void, void> {
  const file = await open(place, READ_PLAIN);
  try {
    const same = kept && size >= kept.size ? await sameUpTo(file, kept) : undefined;
    const length = path.endsWith('.jsonl') ? await wholeLines(file, size) : size;
    let start = kept && same ? kept.size : 0;
    if (kept && same && length <= start) return;
    let end: Buffer = same ?? Buffer.alloc(0);
    const version = kept ? kept.version + (same ? 0 : 1) : 0;
    let first = true;
    do {
      const block = Buffer.alloc(Math.min(CHUNK, length - start));
      const data = block.subarray(0, await readFully(file, block, start));
      end = lastOf(end, data);
      start += data.length;
      // One that became shorter meanwhile is looked at again.
      const whole = start >= length || data.length < block.length;
      const state = whole ? { size: start, tail: tailOf(end) } : undefined;
      yield { path, version, start: start - data.length, data, first, whole: state };
      first = false;
      if (whole) return;
    } while (start < length);
  } finally {
    await file.close();
  }
}

const lastOf = (end: Buffer, more: Buffer): Buffer =>
  more.length >= TAIL ? more.subarray(more.length - TAIL) : Buffer.concat([end, more]).subarray(-TAIL);

/** How much of the first `size` bytes of a file is whole lines. */
async function wholeLines(file: FileHandle, size: number): Promise<number> {
  const block = Buffer.alloc(TAIL);
  for (let end = size; end > 0; end -= TAIL) {
    const start = Math.max(0, end - TAIL);
    const part = block.subarray(0, end - start);
    await readFully(file, part, start);
    const newline = part.lastIndexOf(NEWLINE);
    if (newline >= 0) return start + newline + 1;
  }
  return 0;
}

const PARTIAL = '.partial-';
const isPartial = (name: string): boolean => name.includes(PARTIAL);

/** What came from the store is not the file that it names: another node is writing it, or it is damaged. */
export class NotAsStored extends Error {}

/**
 * Writes a stored file here, in one step for its readers.
 * @throws NotAsStored, or when it cannot be written; nothing has changed then
 */
export async function writeStored(
  place: string,
  kept: KeptFile,
  content: AsyncIterable<Buffer>,
): Promise<void> {
  await mkdir(dirname(place), { recursive: true, mode: 0o700 });
  const partial = `${place}${PARTIAL}${randomUUID()}`;
  try {
    const file = await open(partial, 'wx', 0o600);
    let size = 0;
    let end: Buffer = Buffer.alloc(0);
    try {
      for await (const data of content) {
        await file.writeFile(data);
        size += data.length;
        end = lastOf(end, data);
      }
    } finally {
      await file.close();
    }
    if (size !== kept.size || tailOf(end) !== kept.tail)
      throw new NotAsStored(
        `The stored file ${kept.path} has ${size} bytes instead of ${kept.size}, or others.`,
      );
    await rename(partial, place);
  } finally {
    await rm(partial, { force: true });
  }
}
