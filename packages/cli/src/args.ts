import { parseArgs } from 'node:util';
import { DEFAULT_SERVER } from 'claude-agent-protocol/constants';
import { OPEN_SESSION_STATES, SESSION_STATUSES } from 'claude-agent-protocol/reasons';
import type { FlaggedOptions } from 'claude-agent-protocol/session-options';
import { UsageError } from './exit.ts';
import { number, oneOf } from './flag-values.ts';
import { OPTION_FLAGS, readOptionFlags } from './option-flags.ts';
import type { Settings } from './settings.ts';

/** What `-p` prints. */
const OUTPUT_FORMATS = ['text', 'json', 'stream-json'] as const;
/** What `-p` does about a permission that is asked for. */
const ON_PERMISSION = ['deny', 'allow', 'fail'] as const;

/** Which sessions are listed. */
const STATUSES = [...SESSION_STATUSES, 'all'] as const;

const either = (words: readonly string[]): string => `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;

const FIRST_FLAGS = {
  server: { type: 'string', value: 'URL', help: 'Address of the server' },
  'api-key': { type: 'string', value: 'KEY', help: 'API key, if the server requires one' },
  print: { type: 'string', short: 'p', value: 'PROMPT', help: 'Answer one prompt and exit' },
  'output-format': {
    type: 'string',
    value: 'FORMAT',
    values: OUTPUT_FORMATS,
    help: `${either(OUTPUT_FORMATS)} (with -p)`,
  },
  'on-permission': {
    type: 'string',
    value: 'WHAT',
    values: ON_PERMISSION,
    help: `What to do about a permission request: ${either(ON_PERMISSION)} (with -p; default: fail)`,
  },
  resume: { type: 'string', short: 'r', value: 'ID', help: 'Resume a session' },
  continue: { type: 'boolean', short: 'c', help: 'Resume the latest session of this folder' },
  force: {
    type: 'boolean',
    help: 'Resume even if another process uses the conversation',
  },
  new: { type: 'boolean', short: 'n', help: 'Start a new session without asking' },
} as const;
const MORE_FLAGS = {
  image: { type: 'string', multiple: true, value: 'FILE', help: 'Send an image along (with -p)' },
  json: { type: 'boolean', help: 'JSON output (sessions, show, events, permissions, usage, audit, doctor)' },
  follow: { type: 'boolean', short: 'f', help: 'Keep printing new events (events)' },
  after: { type: 'string', value: 'N', help: 'Start after this event number (events)' },
  limit: { type: 'string', value: 'N', help: 'Maximum number of sessions (sessions)' },
  query: { type: 'string', value: 'TEXT', help: 'Only sessions with this text (sessions)' },
  metadata: { type: 'string', value: 'JSON', help: 'Only sessions with this metadata (sessions)' },
  status: {
    type: 'string',
    value: 'STATUS',
    values: STATUSES,
    help: `Only sessions with this status: ${either(STATUSES)} (sessions)`,
  },
  state: {
    type: 'string',
    value: 'STATES',
    values: OPEN_SESSION_STATES,
    help: `Only open sessions that do this now: ${either(OPEN_SESSION_STATES)}; several with commas (sessions)`,
  },
  yes: { type: 'boolean', short: 'y', help: 'Do it without asking (sessions erase)' },
  message: { type: 'string', value: 'TEXT', help: 'Reason given to the agent (permissions deny)' },
  'no-color': { type: 'boolean', help: 'Disable colours' },
  help: { type: 'boolean', short: 'h', help: 'Show this help' },
  version: { type: 'boolean', short: 'V', help: 'Show the version' },
} as const;

/** In the order of the help. */
const FLAGS = { ...FIRST_FLAGS, ...OPTION_FLAGS, ...MORE_FLAGS };
type NamedFlags = typeof FIRST_FLAGS & typeof MORE_FLAGS;

export const COMMANDS = {
  chat: 'Talk to the agent (default)',
  sessions:
    'List sessions; filters: --cwd, --query, --metadata, --status, --state. Also: export ID [FILE], import [FILE] [--cwd DIR], erase ID --yes',
  show: 'Show a session: show ID',
  events: "Print a session's events: events ID [--follow] [--after N]",
  permissions: 'List pending permission requests; answer one: permissions allow ID, permissions deny ID',
  usage: 'Show tokens and cost: usage [ID]',
  audit: 'Show who changed what, newest first: audit [SESSION] [--limit N]',
  doctor: 'Check the server, the API key and the versions',
  completion: 'Print shell completions: completion bash|zsh|fish',
} as const;

export type CommandName = keyof typeof COMMANDS;

export interface Args {
  command: CommandName | 'help' | 'version';
  /** What follows the command. */
  rest: string[];
  server: string;
  apiKey: string | undefined;
  /** What the flags say about a new session. */
  options: FlaggedOptions;
  /** The prompt of `-p`; an empty one is read from standard input. */
  print: string | undefined;
  outputFormat: (typeof OUTPUT_FORMATS)[number];
  onPermission: (typeof ON_PERMISSION)[number];
  resume: string | undefined;
  continue: boolean;
  new: boolean;
  force: boolean;
  images: string[];
  json: boolean;
  follow: boolean;
  after: number | undefined;
  limit: number | undefined;
  query: string | undefined;
  metadata: MetadataFilter | undefined;
  status: (typeof STATUSES)[number] | undefined;
  state: (typeof OPEN_SESSION_STATES)[number][] | undefined;
  yes: boolean;
  message: string | undefined;
  color: boolean;
}

/** Reads the command line; a mistake is a `UsageError` that says what to type instead. */
export function readArgs(argv: readonly string[], settings: Settings): Args {
  const { values, positionals } = parse(promptless(argv));
  const [first, ...rest] = positionals;
  if (first !== undefined && !(first in COMMANDS)) {
    throw new UsageError(`There is no command "${first}". To send a prompt: claude-agent -p "${first} …"`);
  }
  const command = values.help ? 'help' : values.version ? 'version' : ((first ?? 'chat') as CommandName);
  return {
    command,
    rest,
    server: url(values.server ?? settings.server),
    apiKey: values['api-key'] ?? settings.apiKey,
    options: readOptionFlags(values),
    print: values.print,
    outputFormat: oneOf('--output-format', values['output-format'] ?? 'text', OUTPUT_FORMATS),
    onPermission: oneOf('--on-permission', values['on-permission'] ?? 'fail', ON_PERMISSION),
    resume: values.resume,
    continue: values.continue ?? false,
    new: values.new ?? false,
    force: values.force ?? false,
    images: values.image ?? [],
    json: values.json ?? false,
    follow: values.follow ?? false,
    after: values.after === undefined ? undefined : number('--after', values.after, 0, true),
    limit: values.limit === undefined ? undefined : number('--limit', values.limit, 1, true),
    query: values.query,
    metadata: values.metadata === undefined ? undefined : metadata(values.metadata),
    status: values.status === undefined ? undefined : oneOf('--status', values.status, STATUSES),
    state: values.state?.split(',').map((state) => oneOf('--state', state, OPEN_SESSION_STATES)),
    yes: values.yes ?? false,
    message: values.message,
    color: settings.color && !values['no-color'],
  };
}

/** Typed by the flags that are named here; those of the options are read by their table. */
function parse(argv: string[]) {
  try {
    return parseArgs({ args: argv, options: FLAGS as NamedFlags, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** `-p` without a prompt means: the prompt is on standard input. */
function promptless(argv: readonly string[]): string[] {
  return argv.map((arg, index) => {
    if (arg !== '-p' && arg !== '--print') return arg;
    const next = argv[index + 1];
    return next === undefined || (next.startsWith('-') && next !== '-') ? '--print=' : arg;
  });
}

type MetadataFilter = Record<string, string | number | boolean | null>;

/** The server checks the members; that it is an object is said here. */
function metadata(text: string): MetadataFilter {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as MetadataFilter;
  } catch {
    // Said below.
  }
  throw new UsageError('--metadata must be a JSON object, for example {"project":"x"}');
}

function url(text: string): string {
  const full = /^[a-z]+:\/\//i.test(text) ? text : `http://${text}`;
  if (!URL.canParse(full) || !/^https?:/.test(full)) {
    throw new UsageError(`--server must be an address such as ${DEFAULT_SERVER}, not "${text}"`);
  }
  return full.replace(/\/+$/, '');
}

/** The text of `--help`. */
export function helpText(program: string): string {
  const flags = Object.entries(FLAGS).map(([name, flag]) => {
    const short = 'short' in flag ? `-${flag.short}, ` : '    ';
    const left = `  ${short}--${name}${'value' in flag ? ` ${flag.value}` : ''}`;
    return `${left.padEnd(32)} ${flag.help}`;
  });
  return [
    'claude-agent: talk to a Claude agent on a server',
    '',
    `Usage: ${program} [command] [flags]`,
    '',
    'Commands',
    ...Object.entries(COMMANDS).map(([name, help]) => `  ${name.padEnd(14)} ${help}`),
    '',
    'Flags',
    ...flags,
    '',
    'Environment',
    `  CLAUDE_AGENT_SERVER    Address of the server (default ${DEFAULT_SERVER})`,
    '  CLAUDE_AGENT_API_KEY   API key of the server',
    '  NO_COLOR               Disable colours',
    '',
    'Exit codes',
    '  0 done   1 the turn failed or was refused   2 wrong usage   3 the server is unreachable',
    '  4 a permission is needed and nobody is there to give it   130 interrupted',
    '',
  ].join('\n');
}

/** Names of all flags, for shell completion. */
export function flagNames(): {
  name: string;
  short: string | undefined;
  takesValue: boolean;
  /** The values that it can have, where they are known. */
  values: readonly string[] | undefined;
  help: string;
}[] {
  return Object.entries(FLAGS).map(([name, flag]) => ({
    name,
    short: 'short' in flag ? flag.short : undefined,
    takesValue: 'value' in flag,
    values: 'values' in flag ? flag.values : undefined,
    help: flag.help,
  }));
}
