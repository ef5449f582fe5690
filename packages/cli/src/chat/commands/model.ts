import { modelName } from '../../open-session.ts';
import { choosePanel } from '../../term/panels.ts';
import type { Chat } from '../chat.ts';

interface Model {
  value: string;
  displayName?: string;
  description?: string;
}

/** Changes the model from the next answer on. Without a name: a list to choose from. */
export async function model(chat: Chat, name: string): Promise<void> {
  const { session } = chat;
  if (!session) return chat.say('There is no session yet.', 'warning');
  const chosen = name === '' ? await choose(chat) : name;
  if (chosen === undefined) return;
  const wanted = modelName(chosen, chat.models);
  await session.setModel(wanted);
  chat.say(`Model: ${wanted ?? 'default'}`);
}

async function choose(chat: Chat): Promise<string | undefined> {
  const info = await chat.session?.serverInfo();
  const models = (Array.isArray(info?.models) ? info.models : []) as Model[];
  const choices = models.map(({ value, displayName, description }) => ({
    value,
    label: displayName ?? value,
    hint: description ?? '',
  }));
  if (choices.length === 0) {
    chat.say(`Model: ${chat.view.model ?? 'default'}. Change it: model <name>`);
    return undefined;
  }
  const { paint } = chat.context;
  return chat.ui.open(choosePanel({ paint, title: [paint.bold('Which model?')], choices }));
}
