import { createReadStream } from 'node:fs';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { isObject } from '../../is-object.ts';
import type { ConversationFile } from '../agent.ts';
import { projectFolder } from './rebuild.ts';
import { findTranscript } from './transcript-file.ts';

/** A file of a conversation on disk, and how long it was when it was listed. */
export interface ListedFile extends Omit<ConversationFile, 'text'> {
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
      const { size } = await stat(place);
      return { conversationId, path: place.slice(folder.length + 1), place, size };
    }),
  );
}

/** The content of a file up to its size when it was listed; of JSON Lines, the whole lines of that. */
export async function readListed({ place, path, size }: ListedFile): Promise<string> {
  if (size === 0) return '';
  const text = await textOf(createReadStream(place, { end: size - 1 }));
  return path.endsWith('.jsonl') ? text.slice(0, text.lastIndexOf('\n') + 1) : text;
}

/** The files of a conversation with their content. */
export async function* conversationFiles(
  projects: string,
  conversationId: string,
): AsyncGenerator<ConversationFile, void, void> {
  for (const file of await listConversation(projects, conversationId)) {
    yield { conversationId, path: file.path, text: await readListed(file) };
  }
}

/** Writes files of conversations for sessions in a folder; those that exist stay as they are. */
export async function addConversationFiles(
  projects: string,
  cwd: string,
  files: readonly ConversationFile[],
): Promise<void> {
  for (const { path, text } of files) {
    const target = join(projectFolder(projects, cwd), path);
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await writeFile(target, text, { flag: 'wx', mode: 0o600 }).catch((error: unknown) => {
      if (!isObject(error) || error.code !== 'EEXIST') throw error;
    });
  }
}
