import type { PermissionMode } from 'claude-agent-protocol';
import { PERMISSION_MODES } from 'claude-agent-protocol/reasons';
import { choosePanel } from '../../term/panels.ts';
import type { Chat } from '../chat.ts';

const MEANING: Record<PermissionMode, string> = {
  default: 'asks before changes',
  acceptEdits: 'edits files without asking',
  plan: 'reads and plans, changes nothing',
  bypassPermissions: 'asks for nothing at all',
  dontAsk: 'what is not allowed is denied',
  auto: 'a model decides what to ask for',
};

/** Changes the permission mode. Without a name: a list to choose from. */
export async function mode(chat: Chat, name: string): Promise<void> {
  const { session } = chat;
  if (!session) return chat.say('There is no session yet.', 'warning');
  const chosen =
    name === ''
      ? await choose(chat)
      : PERMISSION_MODES.find((known) => known.toLowerCase() === name.toLowerCase());
  if (chosen === undefined) {
    if (name !== '')
      chat.say(`There is no mode ${name}. There are: ${PERMISSION_MODES.join(', ')}`, 'warning');
    return;
  }
  await session.setMode(chosen);
  chat.say(`Mode: ${chosen} (${MEANING[chosen]})`);
}

function choose(chat: Chat): Promise<PermissionMode | undefined> {
  const { paint } = chat.context;
  const choices = PERMISSION_MODES.map((value) => ({ value, label: value, hint: MEANING[value] }));
  const initial = PERMISSION_MODES.indexOf(chat.view.mode);
  return chat.ui.open(
    choosePanel({ paint, title: [paint.bold('Which permission mode?')], choices, initial }),
  );
}
