import { ApiError } from 'claude-agent-client';
import { choosePanel } from '../../term/panels.ts';
import { oneLine } from '../../term/text.ts';
import { plural, seconds } from '../../view/numbers.ts';
import type { Chat } from '../chat.ts';

const KINDS: Record<string, string> = { local_agent: 'subagent', local_bash: 'command' };

/** Lists what the agent does in the background; the one that is chosen is stopped. */
export async function tasks(chat: Chat): Promise<void> {
  const { session } = chat;
  const running = chat.view.tasks;
  if (!session || running.length === 0) return chat.say('Nothing runs in the background.');
  const { paint } = chat.context;
  const now = Date.now();
  const choices = running.map((task) => ({
    value: [task],
    label: oneLine(task.description),
    hint: `${task.subagent_type ?? KINDS[task.type] ?? task.type}, ${seconds(Math.max(0, now - Date.parse(task.started_at)))}`,
  }));
  if (running.length > 1) choices.push({ value: [...running], label: 'All of them', hint: '' });
  const title = [`${paint.bold('Stop which background task?')} ${paint.dim('Escape: none')}`];
  const chosen = await chat.ui.open(choosePanel({ paint, title, choices }));
  if (!chosen) return;
  const stopped = await Promise.all(
    chosen.map((task) =>
      session.stopTask(task.task_id).then(
        () => true,
        (error: unknown) => {
          // It was over in the meantime.
          if (error instanceof ApiError && error.status === 404) return false;
          throw error;
        },
      ),
    ),
  );
  const [one] = chosen;
  const what =
    chosen.length === 1 && one ? oneLine(one.description) : plural(chosen.length, 'background task');
  chat.say(stopped.some(Boolean) ? `Stopped: ${what}` : 'It was over already.');
}
