import { appendFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Agent } from '../agent/agent.ts';

/** Moves a conversation that no process has to another folder: the agent finds it only from the folder it belongs to. */
export async function moveConversation(
  agent: Pick<Agent, 'files' | 'erase' | 'addFiles'>,
  id: string,
  cwd: string,
): Promise<void> {
  const temporary = await mkdtemp(join(tmpdir(), 'conversation-'));
  try {
    for await (const { path, text } of agent.files(id)) {
      const file = join(temporary, path);
      await mkdir(dirname(file), { recursive: true });
      await appendFile(file, text, { mode: 0o600 });
    }
    await agent.erase([id]);
    await agent.addFiles(cwd, temporary);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
