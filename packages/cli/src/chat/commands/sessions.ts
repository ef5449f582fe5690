import { available } from '../../listing.ts';
import { oneLine, truncate } from '../../term/text.ts';
import { ago } from '../../view/numbers.ts';
import type { Chat } from '../chat.ts';

const SHOWN = 30;

/** Everything that can be resumed, newest first. */
export async function sessions(chat: Chat): Promise<void> {
  const { client, paint } = chat.context;
  const { sessions: found, total } = await available(client, { limit: SHOWN });
  if (found.length === 0) {
    chat.say('There are no sessions yet.');
    return;
  }
  const now = Date.now();
  const lines = found.map(({ session_id, modified, preview, project }) => {
    const mark = session_id === chat.session?.id ? paint.green('●') : ' ';
    const when = ago(Date.parse(modified), now).padStart(12);
    const line = `${mark} ${paint.cyan(session_id)} ${paint.dim(when)}  ${oneLine(preview)}  ${paint.dim(oneLine(project ?? ''))}`;
    return truncate(line, chat.ui.width);
  });
  const rest = total > found.length ? `${found.length} of ${total}; ` : '';
  chat.print(['', ...lines, paint.dim(`  ${rest}/resume goes on with one of them`)]);
}
