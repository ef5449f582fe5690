import { MODEL_ALIASES } from 'claude-agent-protocol/reasons';
import { COMMANDS, flagNames } from '../args.ts';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode, UsageError } from '../exit.ts';
import { MODES } from '../open-session.ts';

const VALUES: Record<string, readonly string[]> = {
  'output-format': ['text', 'json', 'stream-json'],
  'on-permission': ['deny', 'allow', 'fail'],
  mode: MODES,
  model: MODEL_ALIASES,
};
const ARGUMENTS: Partial<Record<keyof typeof COMMANDS, readonly string[]>> = {
  permissions: ['allow', 'deny'],
  completion: ['bash', 'zsh', 'fish'],
};

/** `claude-agent completion bash|zsh|fish`: a script for the shell's start-up file. */
export async function completion({ args, stdout }: Context): Promise<ExitCode> {
  const scripts: Record<string, () => string> = { bash, zsh, fish };
  const script = scripts[args.rest[0] ?? ''];
  if (!script) {
    throw new UsageError('Which shell? For example, in ~/.bashrc: eval "$(claude-agent completion bash)"');
  }
  stdout.write(script());
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
  const values = Object.entries(VALUES).map(
    ([flag, allowed]) =>
      `    --${flag}) COMPREPLY=($(compgen -W "${allowed.join(' ')}" -- "$word")); return ;;`,
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
  const flags = flagNames().map(({ name, takesValue, help }) => {
    const values = VALUES[name] ? `:value:(${VALUES[name].join(' ')})` : takesValue ? ':value:_files' : '';
    return `    '--${name}[${quote(help)}]${values}'`;
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
  const flags = flagNames().map(({ name, short, takesValue, help }) => {
    const values = VALUES[name] ? ` -x -a ${quote(VALUES[name].join(' '))}` : takesValue ? ' -r' : '';
    return `complete -c claude-agent -l ${name}${short ? ` -s ${short}` : ''}${values} -d ${quote(help)}`;
  });
  const argumentsOf = Object.entries(ARGUMENTS).map(
    ([command, allowed]) =>
      `complete -c claude-agent -n '__fish_seen_subcommand_from ${command}' -f -a ${quote(allowed.join(' '))}`,
  );
  return `${[...commands, ...flags, ...argumentsOf].join('\n')}\n`;
}
