import type { Context } from '../context.ts';
import { createSession, type OpenedSession, openSession, resumeChosen } from '../open-session.ts';
import { choosePanel } from '../term/panels.ts';
import { oneLine } from '../term/text.ts';
import { ago } from '../view/numbers.ts';
import type { Chat } from './chat.ts';

const OFFERED = 9;

/** How the session that the chat begins with is opened: by the flags, else as the user chooses from a list. */
export async function chooseFirstSession(
  { args, client, settings }: Context,
  chat: Chat,
): Promise<(() => Promise<OpenedSession>) | undefined> {
  if (args.resume !== undefined || args.continue) return () => openSession(client, args, settings.cwd);
  const id = args.new ? undefined : await pickSession(chat);
  if (id === null) {
    chat.leave();
    return undefined;
  }
  return () =>
    id === undefined ? createSession(client, args, settings.cwd) : resumeChosen(client, args, id);
}

/** Offers the latest sessions. Undefined: a new one; null: the user wants to leave. */
async function pickSession(chat: Chat): Promise<string | undefined | null> {
  const { client, paint } = chat.context;
  const found = await client.sessions.available({ limit: OFFERED - 1 });
  if (found.length === 0 || chat.isWriting) return undefined;
  const now = Date.now();
  const choices = [
    { value: 'new', label: 'New session' },
    ...found.map(({ session_id, preview, modified, project }) => ({
      value: session_id,
      label: oneLine(preview).slice(0, 60) || session_id,
      hint: `${ago(Date.parse(modified), now)}  ${project ?? ''}`,
    })),
  ];
  const title = [
    `${paint.bold('Go on with a session?')} ${paint.dim('Enter, or just start typing: a new one')}`,
  ];
  const panel = choosePanel({ paint, title, choices });
  const chosen = await chat.ui.open<string>({
    ...panel,
    // Typing means a new session, and must not lose the first letter.
    message: (key) => (key.text === '' || /^\d$/.test(key.text) ? undefined : { done: 'new' }),
  });
  if (chosen === undefined) return null;
  return chosen === 'new' ? undefined : chosen;
}
