import type { Conversation } from '../conversation.ts';
import { oneLine } from '../report.ts';
import type { Step } from '../script.ts';
import { calculated } from './calculate.ts';
import { type Command, NUMBER, readNumber, unquote } from './command.ts';

const SLOW_WORD_MS = 150;
const MOST_NUMBERS = 2_000;

const say: Command = {
  verbatim: true,
  usage: 'say TEXT',
  does: 'says it',
  parse(words) {
    const text = /^(?:say|repeat|echo):? ([\s\S]+)$/i.exec(words)?.[1];
    return text === undefined ? undefined : () => ({ say: unquote(text) });
  },
};

const count: Command = {
  usage: 'count to N [slowly]',
  does: 'counts, one word at a time',
  parse(words) {
    const found = new RegExp(`^count (slowly )?(?:up )?to (${NUMBER})\\b(?:.*\\b(slowly))?`, 'i').exec(words);
    const last = readNumber(found?.[2]);
    if (last === undefined) return undefined;
    const numbers = Array.from({ length: Math.min(last, MOST_NUMBERS) }, (_, index) => index + 1);
    const slowly = found?.[1] !== undefined || found?.[3] !== undefined;
    return () => paced({ say: numbers.length === 0 ? 'Zero: done.' : numbers.join(' ') }, slowly);
  },
};

const story: Command = {
  usage: 'tell a story [about X] [slowly]',
  does: 'streams a longer text, always the same one',
  parse(words) {
    const found =
      /^(?:tell|write)(?: me)?(?: (?:a|another|the))?(?: (?:short|long))? story(?: (?:about|of|on) (.+?))?( slowly)?$/i.exec(
        words,
      );
    if (!found) return undefined;
    return () => paced({ say: storyAbout(unquote(found[1] ?? 'a small server')) }, found[2] !== undefined);
  },
};

const calculate: Command = {
  usage: 'what is 2 + 2',
  does: 'calculates it',
  parse(words) {
    const sum = /^(?:what(?:'s| is)|how much is|calculate|compute) ([\d\s.+\-*/×÷x()]+?)(?: ?=)?$/i.exec(
      words,
    )?.[1];
    const value = sum === undefined ? undefined : calculated(sum);
    if (sum === undefined || value === undefined) return undefined;
    return () => ({ say: `${sum.trim()} = ${Number(value.toPrecision(12))}` });
  },
};

function paced(step: Step, slowly: boolean): Step {
  return slowly ? { ...step, word_delay_ms: SLOW_WORD_MS } : step;
}

function storyAbout(hero: string): string {
  return [
    `This is a story about ${hero}.`,
    'It began on a quiet morning, when the first request of the day knocked at the door. Nobody had expected it, but it was well formed, and so it was let in and given a number.',
    'The number was one. The second request got two, and so it went on. Whoever came late could ask what had happened before, and was told everything, in order, with nothing left out.',
    `At noon the lights went off. Everything that ${hero} had in mind was gone, but not what was in the book, for each line had been written down before anyone was told of it. So when the lights came back, the story went on with the next number.`,
    'In the evening somebody asked whether a file might be deleted. The question waited patiently until a person said no. The file is still there.',
    'That is the whole story, and it is the same every time.',
  ].join('\n\n');
}

const think: Command = {
  usage: 'think about X',
  does: 'sends a thinking block, then the answer',
  parse(words) {
    const topic = /^(?:think|reason|ponder)(?: hard)?(?: (?:about|on|over))? (.+)$/i.exec(words)?.[1];
    if (topic === undefined) return undefined;
    return () => ({
      thinking: `The user wants me to think about ${topic}. I follow a script, so I cannot really think. I can show what it looks like when a model does: these words come in a block of their own, before the answer.`,
      say: `I have thought about ${topic}. My conclusion: a scripted demo has none. The thinking block before this text is what you wanted to see.`,
    });
  },
};

const wait: Command = {
  usage: 'wait N seconds',
  does: 'answers only after that time: try to interrupt it',
  parse(words) {
    const found = new RegExp(
      `^(?:wait|sleep|pause)(?: for)? (${NUMBER})(?: ?(?:s|secs?|seconds?))?$`,
      'i',
    ).exec(words);
    const seconds = readNumber(found?.[1]);
    if (seconds === undefined) return undefined;
    return () => ({ delay_ms: Math.min(seconds, 3_600) * 1_000, say: `That was ${seconds} seconds.` });
  },
};

const DEFAULT_FAILURE = 400;

const fail: Command = {
  usage: 'fail [with STATUS] [N times]',
  does: 'answers with an API error (400 ends the turn at once; Claude Code retries 401, 429 and 5xx for minutes)',
  parse(words) {
    const found = new RegExp(
      `^fail(?:ure)?(?: (?:with|using))?(?: (?:an?|the))?(?: (?:http|api))?(?: (?:status|error|code))*(?: (\\d{3}))?(?: error)?(?: (once|twice|(?:${NUMBER}) times?))?$`,
      'i',
    ).exec(words);
    if (!found) return undefined;
    const status = Number(found[1] ?? DEFAULT_FAILURE);
    if (status < 400 || status > 599)
      return () => ({ say: `${status} is no error status: choose one from 400 to 599.` });
    const error = { status, message: `You asked the demo model to fail with ${status}.` };
    const times = timesOf(found[2]);
    return () => ({
      error: times === undefined ? error : { ...error, times },
      say: `It works again after ${status}.`,
    });
  },
};

function timesOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^once$/i.test(text)) return 1;
  if (/^twice$/i.test(text)) return 2;
  return Math.max(1, readNumber(text.split(' ')[0]) ?? 1);
}

const recall: Command = {
  usage: 'what did I say',
  does: 'lists your earlier prompts in this session, also after a resume or a compaction',
  parse(words) {
    if (
      !/^(?:what (?:did|have) I (?:say|said|ask|asked|told?|tell)|do you remember|what do you remember)\b/i.test(
        words,
      )
    )
      return undefined;
    return ({ conversation }) => {
      const earlier = rememberedPrompts(conversation).slice(0, -1);
      if (earlier.length === 0) return { say: 'This is the first thing that you said in this session.' };
      return {
        say: `You said, in this order:\n${earlier.map((prompt, index) => `${index + 1}. ${oneLine(prompt, 200)}`).join('\n')}`,
      };
    };
  },
};

/** How a summary notes one prompt, so that it can be recalled after a compaction. */
const NOTED = /^- The user said: (".*")$/gm;

/** Every prompt of the session, with those that a compaction moved into a summary. */
function rememberedPrompts(conversation: Conversation): string[] {
  const noted = [...(conversation.summary ?? '').matchAll(NOTED)].map(
    ([, text]) => JSON.parse(text ?? '""') as string,
  );
  return [...noted, ...conversation.prompts];
}

/** The answer to a request to summarise the conversation, in the form that Claude Code asks for. */
export function summarise(conversation: Conversation): string {
  const prompts = rememberedPrompts(conversation);
  const notes = prompts
    .slice(-200)
    .map((prompt) => `- The user said: ${JSON.stringify(oneLine(prompt, 500))}`);
  return [
    '<analysis>',
    'The demo model keeps the words of the user and leaves the rest out.',
    '</analysis>',
    '<summary>',
    `A conversation with the scripted demo model; ${prompts.length} prompts so far.`,
    ...notes,
    '</summary>',
  ].join('\n');
}

export const talkCommands: readonly Command[] = [recall, calculate, say, count, story, think, wait, fail];
