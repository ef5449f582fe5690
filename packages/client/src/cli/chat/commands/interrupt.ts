import type { Chat } from '../chat.ts';

export async function interrupt(chat: Chat): Promise<void> {
  if (!chat.session || !chat.view.turn) return chat.say('Nothing is running.');
  await chat.session.interrupt();
}
