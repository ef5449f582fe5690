import {
  toolArgument as argumentOf,
  changeHunks,
  countLines,
  type DiffLine,
  type Hunk,
  isInBackground,
  toolTitle as nameOfTool,
  readAnswers,
  readReport,
  readTodos,
} from 'claude-agent-client';
import type { Paint } from '../term/style.ts';
import { oneLine, sanitize, stringWidth, truncate, wrap } from '../term/text.ts';
import { diffHunks } from './diff.ts';
import { highlight } from './highlight.ts';
import type { ToolCall } from './items.ts';
import { plural } from './numbers.ts';

/** A tool's name as it is shown. */
export const toolTitle = (name: string): string => oneLine(nameOfTool(name));

/** The one thing to know about a call: its command, its file, its pattern. */
export const toolArgument = (name: string, input: Record<string, unknown>): string =>
  oneLine(argumentOf(name, input));

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
    return [paint.dim(used), ...shorten(plain(readReport(result.details) ?? result.text), 4, width, paint)];
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

/** What the user chose, question by question. */
const answerLines = (details: unknown, width: number): string[] | undefined =>
  readAnswers(details)?.map(([question, chosen]) =>
    truncate(`${oneLine(question)} → ${oneLine(chosen)}`, width),
  );

const todoLines = (input: Record<string, unknown>, paint: Paint): string[] =>
  readTodos(input).map((todo) => {
    const content = oneLine(todo.content);
    if (todo.status === 'completed') return `☑ ${paint.dim(paint.strikethrough(content))}`;
    return todo.status === 'in_progress' ? `▶ ${paint.bold(content)}` : `☐ ${content}`;
  });

/** The change that a file-editing call makes: from its result when there is one, else from its input. */
export const hunksOfCall = ({
  name,
  input,
  result,
}: Pick<ToolCall, 'name' | 'input' | 'result'>): Hunk[] | undefined =>
  changeHunks({ name, input, details: result?.details }, diffHunks);

/** A diff with line numbers and colours, at most `most` lines. */
export function renderHunks(
  hunks: readonly Hunk[],
  file: string,
  width: number,
  paint: Paint,
  most: number,
): string[] {
  const lines = hunks.flatMap(({ lines: own }, index): (DiffLine | undefined)[] =>
    index > 0 ? [undefined, ...own] : [...own],
  );
  const { added, removed } = countLines(hunks);
  const digits = String(Math.max(...lines.map((line) => line?.new ?? line?.old ?? 0), 1)).length;
  const language = /\.(\w+)$/.exec(file)?.[1] ?? '';
  const out = [paint.dim(`${paint.green(`+${added}`)} ${paint.red(`-${removed}`)}`)];
  for (const line of lines.slice(0, most)) {
    if (!line) {
      out.push(paint.dim(`${' '.repeat(digits)} ⋮`));
      continue;
    }
    const text = sanitize(line.text);
    const number = paint.dim(String(line.new ?? line.old).padStart(digits));
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
