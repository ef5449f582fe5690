interface CommandFacts {
  help: string;
  /** Shown for the argument. */
  takes?: string;
  /** Also a command without the slash; with at most one word after it when it takes one. */
  plain?: boolean;
  /** The only words that the plain form takes; after others the line is a message. */
  words?: readonly string[];
  /** Needs no session: does not wait for one. */
  isOfProgram?: boolean;
}

/** In the order of the help. */
const COMMANDS = {
  help: { help: 'What you can type', plain: true, isOfProgram: true },
  clear: { help: 'Start a new session', plain: true },
  sessions: { help: 'List all sessions', plain: true },
  resume: { help: 'Resume another session', takes: '[id or words]' },
  fork: { help: 'Continue in a copy of this session', takes: '[title]' },
  rewind: { help: 'Restore files to their state before a message' },
  title: { help: 'Name the session', takes: '<text>' },
  model: { help: 'Change the model', takes: '[name]', plain: true },
  mode: { help: 'Change the permission mode', takes: '[name]', plain: true },
  interrupt: {
    help: 'Stop the turn; all: also background tasks and queued messages',
    takes: '[all]',
    plain: true,
    words: ['all'],
  },
  tasks: { help: 'Show background tasks and stop them' },
  info: { help: 'The server, the agent and this session', plain: true },
  cost: { help: 'Tokens and cost of this session' },
  context: { help: 'What fills the context window' },
  mcp: { help: 'MCP servers and their state' },
  export: { help: 'Save the conversation as .md or .json', takes: '[file]' },
  exit: { help: 'Leave (also: quit, Ctrl-D)', plain: true, isOfProgram: true },
  quit: { help: 'Leave', plain: true, isOfProgram: true },
} as const satisfies Record<string, CommandFacts>;

export type CommandName = keyof typeof COMMANDS;

export interface ChatCommand extends CommandFacts {
  name: CommandName;
}

/** Every command of the chat; commands.ts has their code. */
export const CHAT_COMMANDS: readonly ChatCommand[] = (
  Object.entries(COMMANDS) as [CommandName, CommandFacts][]
).map(([name, facts]) => ({ name, ...facts }));
