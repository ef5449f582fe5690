import type { Chat } from './chat.ts';
import { CHAT_COMMANDS, type ChatCommand, type CommandName } from './command-list.ts';

const leave = (chat: Chat): void => chat.leave();

/** The code of each command, in a file of its own that is loaded on first use. */
const LOADERS: Record<CommandName, () => Promise<(chat: Chat, argument: string) => Promise<void> | void>> = {
  help: async () => (await import('./commands/help.ts')).help,
  clear: async () => (await import('./commands/clear.ts')).clear,
  sessions: async () => (await import('./commands/sessions.ts')).sessions,
  resume: async () => (await import('./commands/resume.ts')).resume,
  fork: async () => (await import('./commands/fork.ts')).fork,
  rewind: async () => (await import('./commands/rewind.ts')).rewind,
  title: async () => (await import('./commands/title.ts')).title,
  model: async () => (await import('./commands/model.ts')).model,
  mode: async () => (await import('./commands/mode.ts')).mode,
  interrupt: async () => (await import('./commands/interrupt.ts')).interrupt,
  tasks: async () => (await import('./commands/tasks.ts')).tasks,
  info: async () => (await import('./commands/info.ts')).info,
  cost: async () => (await import('./commands/cost.ts')).cost,
  context: async () => (await import('./commands/context.ts')).context,
  mcp: async () => (await import('./commands/mcp.ts')).mcp,
  export: async () => (await import('./commands/export.ts')).exportSession,
  exit: async () => leave,
  quit: async () => leave,
};

export type Input =
  | { command: ChatCommand; argument: string }
  /** Begins with a slash but is nothing that we or the agent know. */
  | { unknown: string };

/** Reads a line: one of our commands, or undefined for something to send to the agent. */
export function parseInput(text: string, agentCommands: readonly string[]): Input | undefined {
  const line = text.trim();
  const slash = /^\/([\w:-]+)(?:\s+([\s\S]*))?$/.exec(line);
  if (slash) {
    const name = slash[1]?.toLowerCase();
    const command = CHAT_COMMANDS.find((known) => known.name === name);
    if (command) return { command, argument: slash[2]?.trim() ?? '' };
    // Until the agent has said which commands it has, it must judge by itself.
    return agentCommands.length === 0 || agentCommands.includes(slash[1] ?? '')
      ? undefined
      : { unknown: line };
  }
  const [word = '', argument = '', ...more] = line.split(/\s+/);
  const command = CHAT_COMMANDS.find((known) => known.plain && known.name === word.toLowerCase());
  if (!command || more.length > 0) return undefined;
  if (argument !== '' && command.takes === undefined) return undefined;
  if (argument !== '' && command.words?.includes(argument.toLowerCase()) === false) return undefined;
  return { command, argument };
}

export async function runCommand(chat: Chat, input: Input): Promise<void> {
  if ('unknown' in input) {
    chat.say(`There is no command ${input.unknown.split(/\s/)[0]}. /help lists them.`, 'warning');
    return;
  }
  const run = await LOADERS[input.command.name]();
  await run(chat, input.argument);
}
