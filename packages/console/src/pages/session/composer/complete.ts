export interface SlashCommand {
  name: string;
  description: string;
  hint: string;
}

/** The command that is being typed: the text is nothing but a slash and the start of a name. */
export const typedCommand = (text: string): string | undefined => /^\/([\w:.-]*)$/.exec(text)?.[1];

const MOST = 8;

/** Commands that fit what is typed: those that begin with it first. */
export function matchCommands(commands: readonly SlashCommand[], typed: string): SlashCommand[] {
  const wanted = typed.toLowerCase();
  const rank = ({ name }: SlashCommand): number => {
    const at = name.toLowerCase().indexOf(wanted);
    return at === -1 ? Number.POSITIVE_INFINITY : at;
  };
  return commands
    .map((command) => ({ command, rank: rank(command) }))
    .filter(({ rank: at }) => at !== Number.POSITIVE_INFINITY)
    .sort((a, b) => a.rank - b.rank || a.command.name.localeCompare(b.command.name))
    .slice(0, MOST)
    .map(({ command }) => command);
}

/** The agent's own list, with what the log tells of commands until the agent is asked. */
export function readCommands(known: readonly string[], listed: readonly unknown[]): SlashCommand[] {
  const described = listed.flatMap((entry): SlashCommand[] => {
    const { name, description, argumentHint } = (entry ?? {}) as Record<string, unknown>;
    if (typeof name !== 'string') return [];
    return [
      {
        name,
        description: typeof description === 'string' ? description : '',
        hint: typeof argumentHint === 'string' ? argumentHint : '',
      },
    ];
  });
  const names = new Set(described.map(({ name }) => name));
  return [
    ...described,
    ...known.filter((name) => !names.has(name)).map((name) => ({ name, description: '', hint: '' })),
  ];
}
