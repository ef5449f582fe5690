import type { Chat } from '../chat.ts';

export async function title(chat: Chat, text: string): Promise<void> {
  if (!chat.session) return chat.say('There is no session yet.', 'warning');
  if (text === '')
    return chat.say(chat.view.title ?? 'This session has no title. Give it one: /title <text>');
  await chat.session.update({ title: text });
  chat.say(`The session is called "${text}" now.`);
}
