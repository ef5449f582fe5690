import { openedSession } from '../../open-session.ts';
import type { Chat } from '../chat.ts';

/** A copy of the conversation so far: what is said in it leaves the original as it is. */
export async function fork(chat: Chat, title: string): Promise<void> {
  const original = chat.session;
  if (!original) return chat.say('There is no session yet.', 'warning');
  await chat.change(async () => {
    return openedSession(await original.fork(title === '' ? {} : { title }), false);
  });
  chat.say(`You are in a copy now. The original: /resume ${original.id}`);
}
