import type { Conversation, ToolCall, ToolResult } from '../conversation.ts';
import { describeFailure } from '../report.ts';
import type { Step } from '../script.ts';
import type { Surroundings } from '../surroundings.ts';

/** A plain-English command of the demo model. */
export interface Command {
  usage: string;
  does: string;
  /** Wants the words as typed: a full stop at the end may belong to what is to be written, run or said. */
  verbatim?: true;
  /** Gives the answerer when the words are this command. */
  parse(words: string): Answerer | undefined;
}

/**
 * Says what comes next. It is asked once for each answer of the turn and goes by the calls made so far, so a
 * command needs no memory: what was called and what came back is all in the request.
 */
export type Answerer = (turn: Turn) => Step;

export interface Turn {
  conversation: Conversation;
  surroundings: Surroundings;
  /** Runs another command, seeing only the calls made from `fromCall` on. Undefined when it is no command. */
  perform(words: string, fromCall: number): Step | undefined;
}

type Tools = NonNullable<Step['tools']>;

/** The nth call of a tool in this turn. */
export function callOf(turn: Turn, name: string, nth = 0): ToolCall | undefined {
  return turn.conversation.calls.filter((call) => call.name === name)[nth];
}

/** Asks for tool calls; says so in words when a tool is not there, and loads it first when it is deferred. */
export function useTools(turn: Turn, tools: Tools, say?: string): Step {
  const offered = turn.conversation.tools;
  const missing = [...new Set(tools.map((tool) => tool.name))].filter((name) => !offered.has(name));
  if (missing.length === 0) return say === undefined ? { tools } : { say, tools };
  const names = missing.join(', ');
  const canLoad = missing.every((name) => turn.surroundings.deferredTools.has(name));
  if (canLoad && offered.has('ToolSearch') && !callOf(turn, 'ToolSearch')) {
    const input = { query: `select:${missing.join(',')}`, max_results: missing.length };
    return { tools: [{ name: 'ToolSearch', input }] };
  }
  return { say: `I would use the tool ${names} for this, but it is not among the tools that I was given.` };
}

/** One tool call, then a report on it. */
export function useTool(
  turn: Turn,
  tool: Tools[number],
  report: (result: ToolResult) => string,
  say?: string,
): Step {
  const call = callOf(turn, tool.name);
  if (!call) return useTools(turn, [tool], say);
  return { say: reportCall(call, report) };
}

/** The report of a call that worked, or what went wrong. */
export function reportCall(call: ToolCall, report: (result: ToolResult) => string): string {
  if (!call.result || call.result.isError) return describeFailure(call);
  return report(call.result);
}

/** Takes quotes or backticks off the ends. */
export function unquote(text: string): string {
  const trimmed = text.trim();
  const quoted = /^(["'`])([\s\S]*)\1$/.exec(trimmed) ?? /^([“‘])([\s\S]*)[”’]$/.exec(trimmed);
  return quoted?.[2] ?? trimmed;
}

const NUMBER_WORDS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'];

/** A number in digits or, up to ten, in words. */
export function readNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  const index = NUMBER_WORDS.indexOf(text.toLowerCase());
  return index < 0 ? undefined : index;
}

export const NUMBER = '\\d+|zero|one|two|three|four|five|six|seven|eight|nine|ten';
