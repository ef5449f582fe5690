import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Chat } from '../chat.ts';
import { asMarkdown, readAllEvents } from '../transcript.ts';

/** Saves the conversation: Markdown, or all events when the file ends in `.json`. */
export async function exportSession(chat: Chat, argument: string): Promise<void> {
  const { session } = chat;
  if (!session) return chat.say('There is no session yet.', 'warning');
  const file = resolve(chat.context.settings.cwd, argument || `claude-${session.id.slice(0, 8)}.md`);
  const events = await readAllEvents(chat.context.client, session.id);
  const text = file.endsWith('.json') ? `${JSON.stringify(events, undefined, 2)}\n` : asMarkdown(events);
  // Never over something that exists: "wx" refuses.
  await writeFile(file, text, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    throw new Error(error.code === 'EEXIST' ? `${file} exists already; give another name.` : error.message);
  });
  chat.say(`Saved to ${file}`);
}
