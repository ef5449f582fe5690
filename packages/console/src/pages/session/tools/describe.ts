/** Which input says best what a call of the tool does; an empty name: none does. */
const MAIN_INPUT: Readonly<Record<string, string>> = {
  Bash: 'command',
  BashOutput: 'bash_id',
  Read: 'file_path',
  Write: 'file_path',
  Edit: 'file_path',
  MultiEdit: 'file_path',
  NotebookEdit: 'notebook_path',
  Glob: 'pattern',
  Grep: 'pattern',
  WebFetch: 'url',
  WebSearch: 'query',
  Task: 'description',
  Agent: 'description',
  Skill: 'skill',
  AskUserQuestion: '',
  ExitPlanMode: '',
  TodoWrite: '',
};

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

/** `mcp__github__create_issue` reads better as `github: create_issue`. */
export function toolTitle(name: string): string {
  const mcp = /^mcp__(.+?)__(.+)$/.exec(name);
  return mcp ? `${mcp[1]}: ${mcp[2]}` : name;
}

type Input = Readonly<Record<string, unknown>>;

/** The one thing to know about a call, on one line: its command, its file, its pattern. */
export function toolArgument(name: string, input: Input): string {
  const field = MAIN_INPUT[name];
  if (field === '') return '';
  const value =
    field === undefined ? Object.values(input).find((each) => typeof each === 'string') : input[field];
  return typeof value === 'string' ? oneLine(value) : '';
}

/** A path is read from its end: the folder of the session is left out. */
export const shortPath = (path: string, cwd: string | undefined): string =>
  cwd !== undefined && path.startsWith(`${cwd}/`) ? path.slice(cwd.length + 1) : path;

const MOST = 300;
const oneLine = (text: string): string => text.trim().split('\n', 1)[0]?.slice(0, MOST) ?? '';

/** What is known of a call while its input is still being written: the start of JSON. */
export function partialArgument(name: string, json: string): string {
  const field = MAIN_INPUT[name];
  if (!field) return '';
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

export interface Todo {
  content: string;
  status: 'pending' | 'in_progress' | 'completed';
}

export function readTodos(input: Input): Todo[] {
  if (!Array.isArray(input.todos)) return [];
  return input.todos.map((todo: { content?: unknown; status?: unknown } | null) => ({
    content: String(todo?.content ?? ''),
    status: todo?.status === 'completed' || todo?.status === 'in_progress' ? todo.status : 'pending',
  }));
}

/** What the user chose, question by question. */
export function readAnswers(details: unknown): [question: string, answer: string][] {
  const answers = (details as { answers?: unknown } | null | undefined)?.answers;
  if (typeof answers !== 'object' || answers === null) return [];
  return Object.entries(answers).map(([question, answer]) => [question, String(answer)]);
}

/** A subagent's report without what is only meant for the model, which the text of the result has around it. */
export function readReport(details: unknown): string | undefined {
  const content = (details as { content?: unknown } | null | undefined)?.content;
  if (!Array.isArray(content)) return undefined;
  return content
    .map((part: { text?: unknown } | null) => (typeof part?.text === 'string' ? part.text : ''))
    .join('\n')
    .replace(FOR_THE_MODEL, '')
    .trim();
}

const FOR_THE_MODEL = /<tools-used-before-summary>[\s\S]*?<\/tools-used-before-summary>/g;

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
