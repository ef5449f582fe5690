import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Deletes everything that the agent keeps of conversations: in `projects/*` the transcript and the folder beside it
 * (subagents, long tool results), and in other folders (`file-history`, `todos`, `debug`, …) what is named after a
 * conversation. The names differ between versions of the agent, so every folder is searched, two levels deep.
 *
 * @param folder the agent's configuration folder
 * @throws when a file cannot be deleted
 */
export async function eraseConversations(folder: string, ids: readonly string[]): Promise<void> {
  const wanted = new Set(ids);
  const projects = join(folder, 'projects');
  const folders = [...(await foldersIn(folder)), ...(await foldersIn(projects))];
  for (const place of folders) {
    for (const name of await readdir(place)) {
      // `<id>`, `<id>.jsonl`, `<id>-agent-<id>.json`: a UUID has 36 characters.
      if (wanted.has(name.slice(0, 36))) await rm(join(place, name), { recursive: true, force: true });
    }
  }
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
}
