import { mainInput, toolArgument } from 'claude-agent-client';

/** What a card of the tool shows. */
export type ToolKind =
  | 'command'
  | 'change'
  | 'read'
  | 'search'
  | 'web'
  | 'todo'
  | 'subagent'
  | 'plan'
  | 'question'
  | 'other';

const KINDS: Readonly<Record<string, ToolKind>> = {
  Bash: 'command',
  BashOutput: 'command',
  Edit: 'change',
  MultiEdit: 'change',
  Write: 'change',
  NotebookEdit: 'change',
  Read: 'read',
  Grep: 'search',
  Glob: 'search',
  WebFetch: 'web',
  WebSearch: 'web',
  TodoWrite: 'todo',
  Task: 'subagent',
  Agent: 'subagent',
  ExitPlanMode: 'plan',
  AskUserQuestion: 'question',
};

export const toolKind = (name: string): ToolKind => KINDS[name] ?? 'other';

/** The one thing to know about a call, on one line. */
export const argumentLine = (name: string, input: Readonly<Record<string, unknown>>): string =>
  oneLine(toolArgument(name, input));

/** A path is read from its end: the folder of the session is left out. */
export const shortPath = (path: string, cwd: string | undefined): string =>
  cwd !== undefined && path.startsWith(`${cwd}/`) ? path.slice(cwd.length + 1) : path;

const MOST = 300;
const oneLine = (text: string): string => text.trim().split('\n', 1)[0]?.slice(0, MOST) ?? '';

/** What is known of a call while its input is still being written: the start of JSON. */
export function partialArgument(name: string, json: string): string {
  const field = mainInput(name);
  if (field === undefined) return '';
  const found = new RegExp(`"${field}"\\s*:\\s*"((?:[^"\\\\]|\\\\.)*)`).exec(json)?.[1];
  if (found === undefined) return '';
  try {
    return oneLine(JSON.parse(`"${found}"`));
  } catch {
    // It ends in the middle of an escape.
    return '';
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what they are
const ESCAPES = /\u001b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g;

/** The output of a command without colours and movements of the cursor; a line that was overwritten is its last state. */
export const plainOutput = (text: string): string =>
  text
    .replace(ESCAPES, '')
    .replace(/\r\n/g, '\n')
    .replace(/[^\n]*\r(?!$)/g, '')
    .trimEnd();

/** The content of the file that Read returned, or the picture that it was. */
export function readFileOf(details: unknown): { text?: string; image?: { mediaType: string; data: string } } {
  const { type, file } = (details ?? {}) as { type?: unknown; file?: Record<string, unknown> };
  if (type === 'text' && typeof file?.content === 'string') return { text: file.content };
  if (type === 'image' && typeof file?.base64 === 'string')
    return {
      image: { mediaType: typeof file.type === 'string' ? file.type : 'image/png', data: file.base64 },
    };
  return {};
}

/** What a command printed, on either side. */
export function readOutput(details: unknown, text: string): { out: string; errors: string } {
  const { stdout, stderr } = (typeof details === 'object' ? (details ?? {}) : {}) as Record<string, unknown>;
  if (typeof stdout !== 'string') return { out: plainOutput(text), errors: '' };
  return { out: plainOutput(stdout), errors: plainOutput(typeof stderr === 'string' ? stderr : '') };
}
