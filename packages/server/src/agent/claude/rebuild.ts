import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TranscriptMessage } from '../agent.ts';

/** The agent finds a transcript in any of its project folders (measured on 2.1.330), so a long name may be cut. */
const LONGEST_NAME = 200;

/** Where the agent keeps the transcripts of a folder. */
export const projectFolder = (projects: string, cwd: string): string =>
  join(projects, cwd.replace(/[^a-zA-Z0-9]/g, '-').slice(0, LONGEST_NAME));

/**
 * Rebuilds a lost transcript from the log. The agent resumes from it as from its own: it has prompts, answers, tool
 * calls and their results, but no file checkpoints.
 * @returns its path
 * @throws when the file exists, or the folder cannot be written
 */
export async function rebuildTranscript(
  projects: string,
  conversation: { id: string; cwd: string },
  messages: readonly TranscriptMessage[],
): Promise<string> {
  const folder = projectFolder(projects, conversation.cwd);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const lines = entriesOf(conversation, messages).map((entry) => `${JSON.stringify(entry)}\n`);
  const path = join(folder, `${conversation.id}.jsonl`);
  await writeFile(path, lines.join(''), { flag: 'wx', mode: 0o600 });
  return path;
}

function entriesOf(
  { id, cwd }: { id: string; cwd: string },
  messages: readonly TranscriptMessage[],
): Record<string, unknown>[] {
  const timestamp = new Date().toISOString();
  let parentUuid: string | null = null;
  return messages.map(({ uuid, type, message }) => {
    const entry = {
      parentUuid,
      isSidechain: false,
      userType: 'external',
      cwd,
      sessionId: id,
      type,
      message,
      uuid,
      timestamp,
    };
    parentUuid = uuid;
    return entry;
  });
}
