import type { ToolCall } from './conversation.ts';

const REPORTED_LINES = 6;

/** Says in words what tool calls gave: the first lines of each, with errors and refusals named as such. */
export function reportOn(calls: readonly ToolCall[]): string {
  if (calls.length === 0) return 'That was all: the script has no more steps.';
  return calls.map(reportOnCall).join('\n\n');
}

function reportOnCall(call: ToolCall): string {
  const { name, result } = call;
  if (!result || result.isError) return describeFailure(call);
  const text = firstLines(result.text, REPORTED_LINES);
  return text === '' ? `${name} is done; it printed nothing.` : `${name} is done:\n${text}`;
}

/** Says what went wrong with a call: no result, refused, or failed. */
export function describeFailure({ name, result }: ToolCall): string {
  if (!result) return `${name}: no result came back.`;
  const text = firstLines(result.text.replace(/<\/?tool_use_error>/g, ''), 3);
  return result.isDenied ? `${name} was not allowed: ${text}` : `${name} did not work: ${text}`;
}

/** The first lines of a text, with a note of how many were left out. */
export function firstLines(text: string, limit: number): string {
  const lines = text.trim().split('\n');
  if (lines.length <= limit) return lines.join('\n');
  return `${lines.slice(0, limit).join('\n')}\n… and ${lines.length - limit} more lines`;
}

/** Shortens a text to one line of at most `limit` characters. */
export function oneLine(text: string, limit = 80): string {
  const line = text.trim().replace(/\s+/g, ' ');
  return line.length <= limit ? line : `${line.slice(0, limit - 1)}…`;
}
