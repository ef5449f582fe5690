import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Where the agent of this user keeps a conversation; undefined where it has none. */
export function transcriptOf(userHome: string, conversation: string): string | undefined {
  const projects = join(userHome, '.claude', 'projects');
  return (existsSync(projects) ? readdirSync(projects) : [])
    .map((folder) => join(projects, folder, `${conversation}.jsonl`))
    .find((file) => existsSync(file));
}
