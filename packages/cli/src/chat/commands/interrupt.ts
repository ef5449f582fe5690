import { plural } from '../../view/numbers.ts';
import { tasksOf } from '../../view/state.ts';
import type { Chat } from '../chat.ts';

/** Ends the running turn, as Ctrl-C does; with `all` also background tasks and messages that wait. */
export async function interrupt(chat: Chat, scope: string): Promise<void> {
  const { session, view } = chat;
  if (scope !== '' && scope.toLowerCase() !== 'all') {
    return chat.say('There is: interrupt (the turn), and interrupt all (background tasks too).', 'warning');
  }
  const tasks = tasksOf(view).length;
  const isAll = scope !== '';
  if (!session || (!view.turn && !(isAll && (tasks > 0 || view.queued.length > 0)))) {
    const rest =
      tasks > 0 ? ` In the background: ${plural(tasks, 'task')}. interrupt all, or /tasks, stops that.` : '';
    return chat.say(`Nothing is running.${rest}`);
  }
  await session.interrupt(isAll ? { scope: 'all' } : {});
  if (isAll && tasks > 0) chat.say(`Stopped, with ${plural(tasks, 'background task')}.`);
}
