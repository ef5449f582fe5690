import type { Paint } from '../term/style.ts';
import { oneLine, sanitize, stringWidth, truncate, wrap } from '../term/text.ts';
import { diffHunks, type Hunk, hunksOfPatch } from './diff.ts';
import { highlight } from './highlight.ts';
import type { ToolCall } from './items.ts';
import { plural } from './numbers.ts';

/** Which input says best what a call of the tool does. */
const MAIN_INPUT: Record<string, string> = {
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

/** `mcp__github__create_issue` reads better as `github: create_issue`. */
export function toolTitle(name: string): string {
  const mcp = /^mcp__(.+?)__(.+)$/.exec(name);
  return oneLine(mcp ? `${mcp[1]}: ${mcp[2]}` : name);
}

/** The one thing to know about a call: its command, its file, its pattern. */
export function toolArgument(name: string, input: Record<string, unknown>): string {
  const field = MAIN_INPUT[name];
  if (field === '') return '';
  const value = field === undefined ? firstText(input) : input[field];
  return typeof value === 'string' ? oneLine(value) : '';
}

function firstText(input: Record<string, unknown>): string {
  const text = Object.values(input).find((value) => typeof value === 'string');
  return typeof text === 'string' ? text : '';
}

/** `Bash(ls -la)`, cut to the width. */
export function toolLine(name: string, input: Record<string, unknown>, width: number, paint: Paint): string {
  const title = toolTitle(name);
  const argument = toolArgument(name, input);
  if (argument === '') return paint.bold(truncate(title, width));
  return `${paint.bold(title)}(${truncate(argument, Math.max(8, width - stringWidth(title) - 2))})`;
}

/** The lines below a call: its result, shortly. */
export function toolResult(call: ToolCall, width: number, paint: Paint): string[] {
  const { result } = call;
  if (!result) return [paint.dim('no result')];
  if (result.isError)
    return shorten(plain(errorText(result.text)), 6, width, paint).map((line) => paint.red(line));
  if (call.name === 'TodoWrite') return todoLines(call.input, paint);
  if (call.name === 'AskUserQuestion')
    return answerLines(result.details, width) ?? shorten(plain(result.text), 4, width, paint);
  if (call.name === 'ExitPlanMode') return [paint.dim('The plan was approved')];
  const hunks = hunksOfCall(call);
  if (hunks) return renderHunks(hunks, String(call.input.file_path ?? ''), width, paint, 40);
  if (call.name === 'Read') return [paint.dim(readSummary(result.text))];
  if (call.name === 'Agent' || call.name === 'Task') {
    // The text is instructions for the model.
    if (isInBackground(result.details)) return [paint.dim('works in the background')];
    const used = `${call.steps} tool ${call.steps === 1 ? 'use' : 'uses'}`;
    return [paint.dim(used), ...shorten(plain(reportOf(result.details) ?? result.text), 4, width, paint)];
  }
  return shorten(plain(result.text), 4, width, paint);
}

function plain(text: string): string[] {
  const lines = sanitize(text).replace(/\s+$/, '').split('\n');
  return lines.length === 1 && lines[0] === '' ? ['(nothing)'] : lines;
}

/** The agent wraps tool errors into a tag of its own. */
function errorText(text: string): string {
  return text.replace(/<\/?tool_use_error>/g, '');
}

function shorten(lines: readonly string[], most: number, width: number, paint: Paint): string[] {
  const shown = lines.length > most + 1 ? lines.slice(0, most) : lines;
  const out = shown.map((line) => truncate(line, width));
  if (shown.length < lines.length)
    out.push(paint.dim(`… ${plural(lines.length - shown.length, 'more line')}`));
  return out;
}

function readSummary(text: string): string {
  const lines = text.split('\n').filter((line) => /^\s*\d+[→\t]/.test(line)).length;
  return lines > 0 ? `${lines} ${lines === 1 ? 'line' : 'lines'}` : oneLine(text).slice(0, 80);
}

const isInBackground = (details: unknown): boolean =>
  (details as { isAsync?: unknown } | null | undefined)?.isAsync === true;

/** A subagent's report without what is only meant for the model, which the text of the result has around it. */
function reportOf(details: unknown): string | undefined {
  const content = (details as { content?: unknown } | null | undefined)?.content;
  if (!Array.isArray(content)) return undefined;
  return content
    .map((part: { text?: unknown }) => (typeof part.text === 'string' ? part.text : ''))
    .join('\n');
}

/** What the user chose, question by question. */
function answerLines(details: unknown, width: number): string[] | undefined {
  const answers = (details as { answers?: unknown } | null | undefined)?.answers;
  if (typeof answers !== 'object' || answers === null) return undefined;
  return Object.entries(answers).map(([question, chosen]) =>
    truncate(`${oneLine(question)} → ${oneLine(String(chosen))}`, width),
  );
}

function todoLines(input: Record<string, unknown>, paint: Paint): string[] {
  if (!Array.isArray(input.todos)) return [];
  return input.todos.map((todo: { content?: string; status?: string }) => {
    const content = oneLine(String(todo.content ?? ''));
    if (todo.status === 'completed') return `☑ ${paint.dim(paint.strikethrough(content))}`;
    return todo.status === 'in_progress' ? `▶ ${paint.bold(content)}` : `☐ ${content}`;
  });
}

/** The change that a file-editing call makes: from its result when there is one, else from its input. */
export function hunksOfCall(call: Pick<ToolCall, 'name' | 'input' | 'result'>): Hunk[] | undefined {
  const patch = hunksOfPatch(call.result?.details);
  if (patch) return patch;
  const { input } = call;
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  switch (call.name) {
    case 'Edit':
      return diffHunks(text(input.old_string), text(input.new_string));
    case 'MultiEdit':
      if (!Array.isArray(input.edits)) return undefined;
      return input.edits.flatMap((edit: Record<string, unknown>) =>
        diffHunks(text(edit.old_string), text(edit.new_string)),
      );
    case 'Write':
      return diffHunks('', text(input.content));
    default:
      return undefined;
  }
}

/** A diff with line numbers and colours, at most `most` lines. */
export function renderHunks(
  hunks: readonly Hunk[],
  file: string,
  width: number,
  paint: Paint,
  most: number,
): string[] {
  const lines = hunks.flatMap((hunk, index) => (index > 0 ? [undefined, ...hunk.lines] : hunk.lines));
  const added = lines.filter((line) => line?.sign === '+').length;
  const removed = lines.filter((line) => line?.sign === '-').length;
  const digits = String(Math.max(...lines.map((line) => line?.number ?? 0), 1)).length;
  const language = /\.(\w+)$/.exec(file)?.[1] ?? '';
  const out = [paint.dim(`${paint.green(`+${added}`)} ${paint.red(`-${removed}`)}`)];
  for (const line of lines.slice(0, most)) {
    if (!line) {
      out.push(paint.dim(`${' '.repeat(digits)} ⋮`));
      continue;
    }
    const text = sanitize(line.text);
    const number = paint.dim(String(line.number).padStart(digits));
    const body =
      line.sign === '+'
        ? paint.green(`+ ${text}`)
        : line.sign === '-'
          ? paint.red(`- ${text}`)
          : `  ${highlight(text, language, paint).join(' ')}`;
    out.push(...wrap(`${number} ${body}`, width, ' '.repeat(digits + 3)));
  }
  if (lines.length > most) out.push(paint.dim(`… ${plural(lines.length - most, 'more line')}`));
  return out;
}
