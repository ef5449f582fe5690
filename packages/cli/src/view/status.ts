import type { Connection } from 'claude-agent-client';
import type { Paint } from '../term/style.ts';
import { oneLine, sanitize, truncate, wrapText } from '../term/text.ts';
import { renderMarkdown } from './markdown.ts';
import { amount, plural, seconds, tokens } from './numbers.ts';
import { textOf } from './render.ts';
import { tasksOf, type ViewState } from './state.ts';
import { toolLine, toolTitle } from './tools.ts';

const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

export interface LiveOptions {
  width: number;
  height: number;
  paint: Paint;
  now: number;
}

/** What is being written or run right now: the part of a turn that is not in the scrollback yet. */
export function activityLines(view: ViewState, options: LiveOptions): string[] {
  const { width, height, paint, now } = options;
  const lines: string[] = [];
  for (const block of view.blocks) {
    if (block.type === 'text') {
      const text = block.prefix + block.text.slice(block.consumed);
      const rendered = renderMarkdown(text, width - 2, paint);
      if (rendered.length === 0 || text.trim() === '') continue;
      if (!block.begun) lines.push('');
      lines.push(...rendered.map((line, index) => (index === 0 && !block.begun ? '● ' : '  ') + line));
    } else if (block.type === 'thinking' && block.text.trim() !== '') {
      // Thinking goes on for long: its last lines are enough while it does.
      const rows = wrapText(sanitize(block.text).trim(), width - 2).slice(-4);
      lines.push('', ...rows.map((line) => paint.dim(paint.italic(`  ${line}`))));
    }
  }
  for (const call of view.tools) {
    const dot = call.result
      ? paint.green('●')
      : Math.floor(now / 500) % 2 === 0
        ? paint.dim('●')
        : paint.dim('○');
    lines.push('', `${dot} ${toolLine(call.name, call.input, width - 2, paint)}`);
    if (call.lastStep) {
      const step = toolLine(call.lastStep.name, call.lastStep.input, width - 20, paint);
      lines.push(`  ${paint.dim('⎿')} ${step} ${paint.dim(`(${call.steps} so far)`)}`);
    }
  }
  return lines.length > height ? lines.slice(lines.length - height) : lines;
}

/** One line: what the agent does, for how long, how many tokens. Undefined when it does nothing. */
export function statusLine(view: ViewState, options: Omit<LiveOptions, 'height'>): string | undefined {
  const { turn } = view;
  if (!turn) return undefined;
  const { width, paint, now } = options;
  const elapsed = Math.max(0, now - turn.startedAt);
  const streaming = view.blocks.reduce((sum, block) => sum + block.text.length, 0);
  // Until the model counts them: about four characters are a token.
  const output = turn.outputTokens + Math.round(streaming / 4);
  const parts = [
    elapsed < 1000 ? '0 s' : elapsed < 60_000 ? `${Math.floor(elapsed / 1000)} s` : seconds(elapsed),
    turn.inputTokens > 0 ? `↑ ${tokens(turn.inputTokens)}` : undefined,
    output > 0 ? `↓ ${tokens(output)} tokens` : undefined,
    'Ctrl-C interrupts',
  ];
  const spinner = SPINNER[Math.floor(now / 100) % SPINNER.length] ?? '';
  const facts = parts.filter((part) => part !== undefined).join(' · ');
  return truncate(`${paint.magenta(`${spinner} ${activity(view)}…`)} ${paint.dim(`(${facts})`)}`, width);
}

/** One line: what goes on in the background, and since when. Undefined when nothing does. */
export function backgroundLine(
  view: ViewState,
  { width, paint, now }: Omit<LiveOptions, 'height'>,
): string | undefined {
  const tasks = tasksOf(view);
  const [first] = tasks;
  if (!first) return undefined;
  const since = Math.max(0, now - Date.parse(first.started_at));
  const elapsed = since < 60_000 ? `${Math.floor(since / 1000)} s` : seconds(since);
  const what = tasks.length === 1 ? oneLine(first.description) : plural(tasks.length, 'task');
  return truncate(
    `${paint.cyan(`◆ In the background: ${what}`)} ${paint.dim(`(${elapsed} · /tasks)`)}`,
    width,
  );
}

function activity(view: ViewState): string {
  if (view.permissions.length > 0) return 'Waiting for your answer';
  const position = view.turn?.position ?? 0;
  if (position > 0) {
    return `Waiting for a free agent process, ${position === 1 ? 'next' : `number ${position}`} in line`;
  }
  if (view.status) return oneLine(view.status);
  const block = view.blocks.at(-1);
  if (block?.type === 'thinking') return 'Thinking';
  if (block?.type === 'text') return 'Writing';
  if (block?.type === 'tool_use') return `Preparing ${toolTitle(block.toolName ?? 'a tool')}`;
  const running = view.tools.filter((tool) => tool.result === undefined);
  if (running.length > 1) return `Running ${running.length} tools`;
  return running[0] ? `Running ${toolTitle(running[0].name)}` : 'Working';
}

/** Messages that wait for their turn. */
export function queuedLines(
  texts: readonly Parameters<typeof textOf>[0][],
  width: number,
  paint: Paint,
): string[] {
  return texts.map((message) => truncate(paint.dim(`  queued: ${oneLine(textOf(message))}`), width));
}

/** The line below the input: model, mode, what it cost; or what is wrong with the connection. */
export function footer(view: ViewState, width: number, paint: Paint): string {
  const parts = [
    view.model ?? 'default model',
    view.mode === 'default' ? undefined : paint.yellow(view.mode),
    view.title === null ? undefined : oneLine(view.title),
    view.cwd === '' ? undefined : oneLine(view.cwd),
    view.costUsd > 0 ? amount(view.costUsd) : undefined,
  ];
  const text = parts.filter((part) => part !== undefined).join(' · ');
  return truncate(paint.dim(`  ${text}`), width);
}

/** Why nothing comes from the server. Undefined while it does. */
export function connectionLine(connection: Connection, width: number, paint: Paint): string | undefined {
  if (connection.state === 'open') return undefined;
  const why = connection.error instanceof Error ? connection.error.message : String(connection.error);
  return truncate(paint.yellow(`! Connection lost, trying again. ${oneLine(why)}`), width);
}
