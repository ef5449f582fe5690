import { COMMANDS, flagNames } from '../args.ts';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode, UsageError } from '../exit.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
const ARGUMENTS: Partial<Record<keyof typeof COMMANDS, readonly string[]>> = {
  permissions: ['allow', 'deny'],
  sessions: ['export', 'import', 'erase'],
  completion: SHELLS,
};

/** `claude-agent completion bash|zsh|fish`: a script for the shell's start-up file. */
export async function completion({ args, stdout }: Context): Promise<ExitCode> {
  const scripts: Record<(typeof SHELLS)[number], () => string> = { bash, zsh, fish };
  const shell = SHELLS.find((name) => name === args.rest[0]);
  if (!shell) {
    throw new UsageError('Which shell? For example, in ~/.bashrc: eval "$(claude-agent completion bash)"');
  }
  stdout.write(scripts[shell]());
  return EXIT.done;
}

function words(): { flags: string; commands: string } {
  return {
    flags: flagNames()
      .map(({ name }) => `--${name}`)
      .join(' '),
    commands: Object.keys(COMMANDS).join(' '),
  };
}

function bash(): string {
  const { flags, commands } = words();
  const values = flagNames().flatMap(({ name, values: allowed }) =>
    allowed ? [`    --${name}) COMPREPLY=($(compgen -W "${allowed.join(' ')}" -- "$word")); return ;;`] : [],
  );
  const argumentsOf = Object.entries(ARGUMENTS).map(
    ([command, allowed]) =>
      `    ${command}) COMPREPLY=($(compgen -W "${allowed.join(' ')}" -- "$word")); return ;;`,
  );
  return `_claude_agent() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}"
  case "$before" in
${[...values, ...argumentsOf].join('\n')}
    --cwd) COMPREPLY=($(compgen -d -- "$word")); return ;;
    --image) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  if [[ "$word" == -* ]]; then
    COMPREPLY=($(compgen -W "${flags}" -- "$word"))
  else
    COMPREPLY=($(compgen -W "${commands}" -- "$word"))
  fi
}
complete -F _claude_agent claude-agent
`;
}

function zsh(): string {
  const quote = (text: string): string =>
    text.replace(/[[\]:']/g, (sign) => (sign === "'" ? "'\\''" : `\\${sign}`));
  const flags = flagNames().map(({ name, takesValue, values, help }) => {
    const after = values ? `:value:(${values.join(' ')})` : takesValue ? ':value:_files' : '';
    return `    '--${name}[${quote(help)}]${after}'`;
  });
  const commands = Object.entries(COMMANDS).map(([name, help]) => `    '${name}:${quote(help)}'`);
  const cases = Object.entries(ARGUMENTS).map(
    ([command, allowed]) => `    ${command}) _values 'argument' ${allowed.join(' ')} ;;`,
  );
  return `#compdef claude-agent
_claude_agent() {
  local -a flags commands
  flags=(
${flags.join('\n')}
  )
  commands=(
${commands.join('\n')}
  )
  _arguments -C "$flags[@]" '1: :->command' '*: :->argument'
  case "$state" in
    command) _describe 'command' commands ;;
    argument)
      case "$words[2]" in
${cases.map((line) => `  ${line}`).join('\n')}
      esac ;;
  esac
}
compdef _claude_agent claude-agent
`;
}

function fish(): string {
  const quote = (text: string): string => `'${text.replaceAll("'", "\\'")}'`;
  const commands = Object.entries(COMMANDS).map(
    ([name, help]) => `complete -c claude-agent -n __fish_use_subcommand -f -a ${name} -d ${quote(help)}`,
  );
  const flags = flagNames().map(({ name, short, takesValue, values, help }) => {
    const after = values ? ` -x -a ${quote(values.join(' '))}` : takesValue ? ' -r' : '';
    return `complete -c claude-agent -l ${name}${short ? ` -s ${short}` : ''}${after} -d ${quote(help)}`;
  });
  const argumentsOf = Object.entries(ARGUMENTS).map(
    ([command, allowed]) =>
      `complete -c claude-agent -n '__fish_seen_subcommand_from ${command}' -f -a ${quote(allowed.join(' '))}`,
  );
  return `${[...commands, ...flags, ...argumentsOf].join('\n')}\n`;
}
