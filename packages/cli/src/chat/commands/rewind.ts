import { choosePanel } from '../../term/panels.ts';
import { oneLine } from '../../term/text.ts';
import { textOf } from '../../view/render.ts';
import type { Chat } from '../chat.ts';

/** Takes file changes back to how they were before one of the user's messages. */
export async function rewind(chat: Chat): Promise<void> {
  const { session } = chat;
  const { paint } = chat.context;
  const turns = (await session?.turns({ limit: 1000 })) ?? [];
  if (!session || turns.length === 0) return chat.say('Nothing was said yet.', 'warning');
  const choices = turns
    .filter((turn) => turn.started_at !== null)
    .reverse()
    .map((turn) => ({ value: turn.turn_id, label: oneLine(textOf(turn.message)) }));
  const title = [paint.bold('Put files back to how they were before which message?')];
  const messageId = await chat.ui.open(choosePanel({ paint, title, choices, search: true }));
  if (messageId === undefined) return;

  const preview = await session.rewind(messageId, { dryRun: true });
  if (!preview.can_rewind) return chat.say(preview.error ?? 'This cannot be undone.', 'error');
  if (preview.files_changed.length === 0) return chat.say('No file changed since then.');
  const changes = `+${preview.insertions} -${preview.deletions}`;
  const sure = await chat.ui.open(
    choosePanel({
      paint,
      title: [
        paint.bold(`This changes (${changes}):`),
        ...preview.files_changed.map((file) => `  ${oneLine(file)}`),
      ],
      choices: [
        { value: true, label: 'Yes, put them back' },
        { value: false, label: 'No' },
      ],
      initial: 1,
    }),
  );
  if (!sure) return;
  const done = await session.rewind(messageId);
  chat.say(
    done.can_rewind
      ? `Put back: ${preview.files_changed.map(oneLine).join(', ')}`
      : (done.error ?? 'It did not work.'),
    done.can_rewind ? 'info' : 'error',
  );
}
