import { createSession } from '../../open-session.ts';
import type { Chat } from '../chat.ts';

/** A new session with the same flags; the old one stays and can be resumed. */
export async function clear(chat: Chat): Promise<void> {
  const { client, args, settings } = chat.context;
  await chat.change(() => createSession(client, args, settings.cwd));
  chat.say('A new session begins. The old one is still there: /resume');
}
