import { usageLines } from '../../usage-table.ts';
import type { Chat } from '../chat.ts';

export async function cost(chat: Chat): Promise<void> {
  if (!chat.session) return chat.say('There is no session yet.', 'warning');
  chat.print(['', ...usageLines(await chat.session.usage(), chat.context.paint)]);
}
