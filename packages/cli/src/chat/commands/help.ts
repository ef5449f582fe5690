import type { Chat } from '../chat.ts';
import { CHAT_COMMANDS } from '../command-list.ts';

const KEYS: readonly (readonly [string, string])[] = [
  ['Enter', 'send; while the agent works, the message waits for its turn'],
  ['Alt-Enter, Ctrl-J, \\ Enter', 'new line'],
  ['Ctrl-C, Escape', 'interrupt the turn (background tasks: /tasks); Ctrl-C twice: leave'],
  ['Up, Down', 'what you typed before'],
  ['Tab', 'complete a command, a model, or a @file'],
  ['Ctrl-A E U K W Y', 'edit the line'],
];

export function help(chat: Chat): void {
  const { paint } = chat.context;
  const rows = CHAT_COMMANDS.map((command) => {
    const takes = command.takes ? ` ${command.takes}` : '';
    return `  ${paint.cyan(`/${command.name}${takes}`.padEnd(24))} ${command.help}`;
  });
  const keys = KEYS.map(([key, what]) => `  ${paint.cyan(key.padEnd(28))} ${what}`);
  const words = 'Without a slash too: exit quit clear sessions model mode interrupt info help';
  chat.print(['', paint.bold('Commands'), ...rows, `  ${paint.dim(words)}`, '', paint.bold('Keys'), ...keys]);
  chat.print([
    '',
    paint.dim('Anything else is a message to the agent. Name an image by its path to send it along.'),
  ]);
}
