import { describeFailure, firstLines } from '../report.ts';
import { type Command, NUMBER, readNumber, type Turn, unquote, useTool, useTools } from './command.ts';

const PRINTED_LINES = 30;
const MOST_AT_ONCE = 20;

const run: Command = {
  verbatim: true,
  usage: 'run COMMAND (or: $ COMMAND)',
  does: 'runs it with Bash',
  parse(words) {
    const found =
      /^(?:run|execute|bash)(?: the)?(?: (?:shell )?command)?:?\s+([\s\S]+)$/i.exec(words) ??
      /^[$!]\s*([\s\S]+)$/.exec(words);
    if (!found?.[1]) return undefined;
    const command = unquote(found[1].replace(/\s+(?:shell )?command[.!]?$/i, ''));
    return (turn) =>
      useTool(
        turn,
        { name: 'Bash', input: { command, description: 'Run the command that the user typed' } },
        ({ text }) =>
          text.trim() === ''
            ? 'It ran and printed nothing.'
            : `It printed:\n${firstLines(text, PRINTED_LINES)}`,
        `I run ${command}`,
      );
  },
};

const several: Command = {
  usage: 'do N things at once',
  does: 'makes N Bash calls in one answer',
  parse(words) {
    const found = new RegExp(
      `^do (${NUMBER}) (?:things?|tasks?|jobs?)(?: (?:at once|in parallel|at the same time|together))?$`,
      'i',
    ).exec(words);
    const count = readNumber(found?.[1]);
    if (count === undefined || count < 1) return undefined;
    return (turn) => atOnce(turn, Math.min(count, MOST_AT_ONCE));
  },
};

function atOnce(turn: Turn, count: number) {
  const { calls } = turn.conversation;
  const made = calls.filter((call) => call.name === 'Bash');
  if (made.length === 0) {
    const tools = Array.from({ length: count }, (_, index) => ({
      name: 'Bash',
      input: { command: `echo thing ${index + 1} of ${count}`, description: `Do thing ${index + 1}` },
    }));
    return useTools(turn, tools, `I start ${count} things in one answer.`);
  }
  const lines = made.map((call) =>
    call.result?.isError === false ? call.result.text.trim() : describeFailure(call),
  );
  return { say: `All ${made.length} came back:\n${lines.map((line) => `- ${line}`).join('\n')}` };
}

export const shellCommands: readonly Command[] = [run, several];
