import type { InterruptReason, PermissionReason, UserInput } from 'claude-agent-protocol';
import type { Paint } from '../term/style.ts';
import { oneLine, sanitize, truncate, wrap, wrapText } from '../term/text.ts';
import type { Item, ToolCall } from './items.ts';
import { renderMarkdown } from './markdown.ts';
import { amount, plural, seconds, tokens } from './numbers.ts';
import { toolLine, toolResult } from './tools.ts';

export interface RenderOptions {
  width: number;
  paint: Paint;
}

/** The lines that an item adds to the scrollback. Each item brings the blank line before it. */
export function renderItem(item: Item, { width, paint }: RenderOptions): string[] {
  switch (item.kind) {
    case 'user':
      return ['', ...userLines(item.message, width, paint)];
    case 'own': {
      const why = item.message === undefined ? 'The agent goes on by itself' : textOf(item.message);
      return ['', truncate(paint.dim(`◆ ${oneLine(why)}`), width)];
    }
    case 'text': {
      const lines = indent(renderMarkdown(item.text, width - 2, paint), item.first ? '● ' : '  ');
      if (/\n[ \t]*\n$/.test(item.text)) lines.push('');
      return item.first ? ['', ...lines] : lines;
    }
    case 'thinking':
      return [
        '',
        ...indent(wrapText(sanitize(item.text).trim(), width - 2), '✻ ').map((l) => dimItalic(l, paint)),
      ];
    case 'tool':
      return ['', ...toolLines(item.call, { width, paint })];
    case 'settled':
      return settledLines(item, { width, paint });
    case 'end':
      return endLines(item, { width, paint });
    case 'notice': {
      const style = { info: paint.dim, warning: paint.yellow, error: paint.red }[item.level];
      return ['', ...wrapText(sanitize(item.text), width).map(style)];
    }
  }
}

const dimItalic = (line: string, paint: Paint): string => paint.dim(paint.italic(line));

function indent(lines: readonly string[], first: string): string[] {
  return lines.map((line, index) => (index === 0 ? first + line : line === '' ? '' : `  ${line}`));
}

/** What the user said, as it stands in the scrollback. Very long texts are cut in the middle. */
function userLines(message: UserInput, width: number, paint: Paint): string[] {
  const lines = wrapText(sanitize(textOf(message)), width - 2);
  const shown =
    lines.length > 24
      ? [...lines.slice(0, 12), paint.dim(`… ${plural(lines.length - 18, 'more line')}`), ...lines.slice(-6)]
      : lines;
  return indent(shown, '> ').map((line) => paint.bold(line));
}

/** A message as text; images and documents are named. */
export function textOf(message: UserInput): string {
  if (typeof message === 'string') return message;
  return message.map((block) => (block.type === 'text' ? block.text : `[${block.type}]`)).join(' ');
}

/** A call with its result. */
function toolLines(call: ToolCall, { width, paint }: RenderOptions): string[] {
  const failed = call.result === undefined || call.result.isError;
  const dot = failed ? paint.red('●') : paint.green('●');
  const result = toolResult(call, width - 4, paint);
  return [
    `${dot} ${toolLine(call.name, call.input, width - 2, paint)}`,
    ...result.map((line, index) => `  ${paint.dim(index === 0 ? '⎿' : ' ')} ${line}`),
  ];
}

const REASONS: Record<Exclude<PermissionReason, 'answered'> | InterruptReason, string> = {
  timeout: 'nobody answered in time',
  interrupted: 'the turn was interrupted',
  cancelled: 'taken back',
  denied: 'a permission was denied',
  withdrawn: 'no longer needed',
  session_closed: 'the session was closed',
  agent_died: 'the agent process ended',
  server_shutdown: 'the server was shut down',
  server_restarted: 'the server was restarted',
};

/** An answered request needs no line: the tool's result tells. One that nobody answered does. */
function settledLines(item: Extract<Item, { kind: 'settled' }>, { width, paint }: RenderOptions): string[] {
  const { tool_name: name, tool_input: input } = item.request;
  if (item.reason === 'answered' || item.reason === 'interrupted' || item.reason === 'withdrawn') return [];
  const why = REASONS[item.reason] ?? item.reason;
  const line = `Permission for ${toolLine(name, input, Math.max(10, width - 60), paint)}: ${item.state}, ${why}`;
  return ['', ...wrap(paint.yellow(line), width)];
}

function endLines(item: Extract<Item, { kind: 'end' }>, { width, paint }: RenderOptions): string[] {
  if (item.outcome === 'interrupted') {
    const why =
      item.reason === 'interrupted' ? '' : ` (${item.reason && (REASONS[item.reason] ?? item.reason)})`;
    return ['', paint.yellow(`■ Interrupted${why}`)];
  }
  if (item.outcome === 'failed') {
    const words = item.error?.message ?? 'The turn failed';
    return ['', ...wrap(paint.red(`✗ ${oneLine(words)}`), width, '  ')];
  }
  const { duration_ms, usage, cost_usd } = item.result;
  const used = typeof usage?.output_tokens === 'number' ? `${tokens(usage.output_tokens)} tokens` : undefined;
  const parts = [seconds(duration_ms), used, cost_usd > 0 ? amount(cost_usd) : undefined];
  return ['', truncate(paint.dim(`  ${parts.filter((part) => part !== undefined).join(' · ')}`), width)];
}
