/** What programs show of a tool call. Its input and result are foreign data: what is unexpected is left out. */

type Input = Readonly<Record<string, unknown>>;

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

/** The name of the input that says best what a call of the tool does; undefined when none does or the tool is unknown. */
export const mainInput = (name: string): string | undefined => MAIN_INPUT[name] || undefined;

/** `mcp__github__create_issue` reads better as `github: create_issue`. */
export function toolTitle(name: string): string {
  const mcp = /^mcp__(.+?)__(.+)$/.exec(name);
  return mcp ? `${mcp[1]}: ${mcp[2]}` : name;
}

/** The one thing to know about a call: its command, its file, its pattern; of an unknown tool, its first text. */
export function toolArgument(name: string, input: Input): string {
  const field = MAIN_INPUT[name];
  if (field === '') return '';
  const value =
    field === undefined ? Object.values(input).find((each) => typeof each === 'string') : input[field];
  return typeof value === 'string' ? value : '';
}

export interface Todo {
  content: string;
  status: 'pending' | 'in_progress' | 'completed';
}

/** The list that TodoWrite writes. */
export function readTodos(input: Input): Todo[] {
  if (!Array.isArray(input.todos)) return [];
  return input.todos.map((todo: { content?: unknown; status?: unknown } | null) => ({
    content: String(todo?.content ?? ''),
    status: todo?.status === 'completed' || todo?.status === 'in_progress' ? todo.status : 'pending',
  }));
}

/** What the user chose, question by question; undefined for a result that has no answers. */
export function readAnswers(details: unknown): [question: string, answer: string][] | undefined {
  const answers = (details as { answers?: unknown } | null | undefined)?.answers;
  if (typeof answers !== 'object' || answers === null) return undefined;
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

/** Whether a call goes on in the background: its result says only that it has begun. */
export const isInBackground = (details: unknown): boolean =>
  (details as { isAsync?: unknown } | null | undefined)?.isAsync === true;
