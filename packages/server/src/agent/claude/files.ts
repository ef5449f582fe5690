import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isObject } from '../../is-object.ts';
import type { ConversationFile } from '../agent.ts';
import { projectFolder } from './rebuild.ts';
import { findTranscript } from './transcript-file.ts';

/** The files of a conversation: its transcript, and the folder of the same name (subagents, long tool results). */
export async function* conversationFiles(
  projects: string,
  conversationId: string,
): AsyncGenerator<ConversationFile, void, void> {
  const transcript = await findTranscript(projects, conversationId);
  if (transcript === undefined) return;
  const folder = dirname(transcript);
  const entries = await readdir(join(folder, conversationId), { recursive: true, withFileTypes: true }).catch(
    () => [],
  );
  const more = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1));
  for (const path of [`${conversationId}.jsonl`, ...more]) {
    yield { conversationId, path, text: await readFile(join(folder, path), 'utf8') };
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
