import type { ToolCall } from './conversation.ts';

const REPORTED_LINES = 6;

/** Says in words what tool calls gave: the first lines of each, with errors and refusals named as such. */
export function reportOn(calls: readonly ToolCall[]): string {
  if (calls.length === 0) return 'That was all: the script has no more steps.';
  return calls.map(reportOnCall).join('\n\n');
}

function reportOnCall({ name, result }: ToolCall): string {
  if (!result) return `${name}: no result came back.`;
  if (result.isDenied) return `${name} was not allowed: ${firstLines(result.text, 2)}`;
  if (result.isError) return `${name} failed: ${firstLines(result.text, 3)}`;
  const text = result.text.trim();
  return text === ''
    ? `${name} is done; it printed nothing.`
    : `${name} is done:\n${firstLines(text, REPORTED_LINES)}`;
}

/** The first lines of a text, with a note of how many were left out. */
export function firstLines(text: string, limit: number): string {
  const lines = text.trim().split('\n');
  if (lines.length <= limit) return lines.join('\n');
  return `${lines.slice(0, limit).join('\n')}\n… and ${lines.length - limit} more lines`;
}
