import { constants } from 'node:fs';
import { copyFile, lstat, mkdir, open, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { isObject } from '../../is-object.ts';
import type { ConversationFile } from '../agent.ts';
import { READ_PLAIN } from '../plain-file.ts';
import { projectFolder } from './rebuild.ts';
import { findTranscript } from './transcript-file.ts';

/** How much of a file is read at a time, and how much from its end to find a line's. */
const PART = 256 * 1024;
const BLOCK = 64 * 1024;

/** A file of a conversation on disk, and how long it was when it was listed. */
export interface ListedFile extends Omit<ConversationFile, 'text' | 'part'> {
  place: string;
  size: number;
}

/** The files of a conversation: its transcript, and the folder of the same name (subagents, long tool results). */
export async function listConversation(projects: string, conversationId: string): Promise<ListedFile[]> {
  const transcript = await findTranscript(projects, conversationId);
  if (transcript === undefined) return [];
  const folder = dirname(transcript);
  const beside = join(folder, conversationId);
  const entries = await readdir(beside, { recursive: true, withFileTypes: true }).catch(() => []);
  const more = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    [transcript, ...more].map(async (place) => {
      const { size } = await lstat(place);
      return { conversationId, path: place.slice(folder.length + 1), place, size };
    }),
  );
}

/** The content of a file up to its size when it was listed; of JSON Lines, the whole lines of that. */
export async function readListed({ place, path, size }: ListedFile): Promise<string> {
  if (size === 0) return '';
  const text = await textOf(await openStream(place, { end: size - 1 }));
  return path.endsWith('.jsonl') ? text.slice(0, text.lastIndexOf('\n') + 1) : text;
}

/** The files of a conversation with their content, a part at a time. */
export async function* conversationFiles(
  projects: string,
  conversationId: string,
): AsyncGenerator<ConversationFile, void, void> {
  for (const { path, place, size } of await listConversation(projects, conversationId)) {
    let part = 0;
    const length = path.endsWith('.jsonl') ? await wholeLines(place, size) : size;
    const options = { start: 0, end: length - 1, encoding: 'utf8', highWaterMark: PART } as const;
    if (length > 0)
      for await (const chunk of await openStream(place, options))
        yield { conversationId, path, part: part++, text: chunk };
    if (part === 0) yield { conversationId, path, part, text: '' };
  }
}

/** Closes the file at its end. */
const openStream = async (
  place: string,
  options: { start?: number; end: number; encoding?: 'utf8'; highWaterMark?: number },
) => (await open(place, READ_PLAIN)).createReadStream(options);

/** How much of the first `size` bytes of a file is whole lines. */
async function wholeLines(place: string, size: number): Promise<number> {
  const file = await open(place, READ_PLAIN);
  try {
    const block = Buffer.alloc(BLOCK);
    for (let end = size; end > 0; end -= BLOCK) {
      const start = Math.max(0, end - BLOCK);
      await file.read(block, 0, end - start, start);
      const newline = block.subarray(0, end - start).lastIndexOf(0x0a);
      if (newline >= 0) return start + newline + 1;
    }
    return 0;
  } finally {
    await file.close();
  }
}

/** Writes a file of a conversation for sessions in a folder, if it is not there. */
export async function addConversationFile(
  projects: string,
  cwd: string,
  { path, text }: Pick<ConversationFile, 'path' | 'text'>,
): Promise<void> {
  const target = join(projectFolder(projects, cwd), path);
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  await ifNew(writeFile(target, text, { flag: 'wx', mode: 0o600 }));
}

/** Copies the files below a folder for sessions in `cwd`; those that exist stay as they are. */
export async function copyConversationFiles(
  projects: string,
  cwd: string,
  from: string,
): Promise<() => Promise<void>> {
  const copied: string[] = [];
  const undo = async (): Promise<void> => {
    for (const place of copied) await rm(place, { force: true });
  };
  try {
    const entries = await readdir(from, { recursive: true, withFileTypes: true });
    for (const entry of entries.filter((each) => each.isFile())) {
      const place = join(entry.parentPath, entry.name);
      const target = join(projectFolder(projects, cwd), relative(from, place));
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      if (await ifNew(copyFile(place, target, constants.COPYFILE_EXCL))) copied.push(target);
    }
  } catch (error) {
    await undo();
    throw error;
  }
  return undo;
}

/** False when what should be made exists already. */
async function ifNew(making: Promise<void>): Promise<boolean> {
  try {
    await making;
    return true;
  } catch (error) {
    if (isObject(error) && error.code === 'EEXIST') return false;
    throw error;
  }
}
