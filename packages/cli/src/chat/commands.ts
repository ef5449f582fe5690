import type { Chat } from './chat.ts';

interface ChatCommand {
  name: string;
  help: string;
  /** Shown for the argument. */
  takes?: string;
  /** Also a command without the slash, as in the seed; with at most one word after it when it takes one. */
  plain?: boolean;
  /** The only words that the plain form takes; after others the line is a message. */
  words?: readonly string[];
  /** Needs no session: does not wait for one. */
  isOfProgram?: boolean;
  load(): Promise<(chat: Chat, argument: string) => Promise<void> | void>;
}

const leave = (chat: Chat): void => chat.leave();

/** Every command of the chat, each in its own file that is loaded when it is first used. */
export const CHAT_COMMANDS: readonly ChatCommand[] = [
  {
    name: 'help',
    help: 'What you can type',
    plain: true,
    isOfProgram: true,
    load: async () => (await import('./commands/help.ts')).help,
  },
  {
    name: 'clear',
    help: 'Start a new session',
    plain: true,
    load: async () => (await import('./commands/clear.ts')).clear,
  },
  {
    name: 'sessions',
    help: 'List all sessions',
    plain: true,
    load: async () => (await import('./commands/sessions.ts')).sessions,
  },
  {
    name: 'resume',
    help: 'Go on with another session',
    takes: '[id or words]',
    load: async () => (await import('./commands/resume.ts')).resume,
  },
  {
    name: 'fork',
    help: 'Go on in a copy of this session',
    takes: '[title]',
    load: async () => (await import('./commands/fork.ts')).fork,
  },
  {
    name: 'rewind',
    help: 'Undo file changes back to a message',
    load: async () => (await import('./commands/rewind.ts')).rewind,
  },
  {
    name: 'title',
    help: 'Name the session',
    takes: '<text>',
    load: async () => (await import('./commands/title.ts')).title,
  },
  {
    name: 'model',
    help: 'Change the model',
    takes: '[name]',
    plain: true,
    load: async () => (await import('./commands/model.ts')).model,
  },
  {
    name: 'mode',
    help: 'Change the permission mode',
    takes: '[name]',
    plain: true,
    load: async () => (await import('./commands/mode.ts')).mode,
  },
  {
    name: 'interrupt',
    help: 'Stop the turn; all: background tasks and waiting messages too',
    takes: '[all]',
    plain: true,
    words: ['all'],
    load: async () => (await import('./commands/interrupt.ts')).interrupt,
  },
  {
    name: 'tasks',
    help: 'What runs in the background; stop it',
    load: async () => (await import('./commands/tasks.ts')).tasks,
  },
  {
    name: 'info',
    help: 'The server, the agent and this session',
    plain: true,
    load: async () => (await import('./commands/info.ts')).info,
  },
  {
    name: 'cost',
    help: 'Tokens and cost of this session',
    load: async () => (await import('./commands/cost.ts')).cost,
  },
  {
    name: 'context',
    help: 'What fills the context window',
    load: async () => (await import('./commands/context.ts')).context,
  },
  {
    name: 'mcp',
    help: 'MCP servers and their state',
    load: async () => (await import('./commands/mcp.ts')).mcp,
  },
  {
    name: 'export',
    help: 'Save the conversation (.md or .json)',
    takes: '[file]',
    load: async () => (await import('./commands/export.ts')).exportSession,
  },
  {
    name: 'exit',
    help: 'Leave (also: quit, Ctrl-D)',
    plain: true,
    isOfProgram: true,
    load: async () => leave,
  },
  { name: 'quit', help: 'Leave', plain: true, isOfProgram: true, load: async () => leave },
];

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
  const run = await input.command.load();
  await run(chat, input.argument);
}
