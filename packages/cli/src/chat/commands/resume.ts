import { available } from '../../listing.ts';
import { resumeChosen } from '../../open-session.ts';
import { choosePanel } from '../../term/panels.ts';
import { oneLine } from '../../term/text.ts';
import { ago } from '../../view/numbers.ts';
import type { Chat } from '../chat.ts';

const UUID = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/i;

/** Goes on with a session: by its id, by words of it, or by choosing from a list. */
export async function resume(chat: Chat, argument: string): Promise<void> {
  const id = UUID.test(argument) ? argument : await choose(chat, argument);
  if (id === undefined) return;
  const { client, args } = chat.context;
  await chat.change(() => resumeChosen(client, args, id));
}

async function choose(chat: Chat, words: string): Promise<string | undefined> {
  const { client, paint } = chat.context;
  const now = Date.now();
  const { sessions: found } = await available(client);
  const wanted = words.toLowerCase().split(/\s+/);
  const choices = found
    .filter(({ session_id }) => session_id !== chat.session?.id)
    .map(({ session_id, preview, modified, project }) => ({
      value: session_id,
      label: oneLine(preview) || session_id,
      hint: `${ago(Date.parse(modified), now)}  ${project ?? ''}  ${session_id.slice(0, 8)}`,
    }))
    .filter(({ label, hint, value }) => {
      const text = `${label} ${hint} ${value}`.toLowerCase();
      return wanted.every((word) => text.includes(word));
    });
  if (choices.length === 0) {
    chat.say(words === '' ? 'There is no other session.' : `No session has "${words}" in it.`, 'warning');
    return undefined;
  }
  if (words !== '' && choices.length === 1) return choices[0]?.value;
  return chat.ui.open(choosePanel({ paint, title: [paint.bold('Resume a session')], choices, search: true }));
}
