import type { Conversation, MessagesRequest } from '../conversation.ts';
import { oneLine } from '../report.ts';
import type { Step } from '../script.ts';
import { readSurroundings } from '../surroundings.ts';
import { type Answerer, type Command, type Turn, unquote } from './command.ts';
import { fileCommands } from './files.ts';
import { peopleCommands } from './people.ts';
import { shellCommands } from './shell.ts';
import { summarise, talkCommands } from './talk.ts';

/** In the order that `help` shows them. */
const LISTED: readonly Command[] = [...fileCommands, ...shellCommands, ...peopleCommands, ...talkCommands];
/** In the order that they are tried: `run a subagent` is no shell command, `create a subagent: …` writes no file. */
const TRIED: readonly Command[] = [...peopleCommands, ...talkCommands, ...shellCommands, ...fileCommands];

/** Answers what no script is for: a plain-English command, or a notice that no human wrote. */
export function answerCommand(conversation: Conversation, request: MessagesRequest): Step {
  switch (conversation.wanted) {
    case 'summary':
      return { say: summarise(conversation) };
    case 'notification':
      return { say: `A background task has news: ${conversation.notice}` };
    case 'suggestion':
      return { say: 'help' };
    case 'continuation':
      return { say: 'The conversation was summarised to make room. Tell me what to do next.' };
    case 'prompt':
      return perform(conversation, request);
  }
}

function perform(conversation: Conversation, request: MessagesRequest): Step {
  const answerer = parseCommand(conversation.prompt);
  if (!answerer) return { say: introduction(conversation) };
  const surroundings = readSurroundings(request);
  const turnOf = (seen: Conversation): Turn => ({
    conversation: seen,
    surroundings,
    perform(words, fromCall) {
      const calls = seen.calls.slice(fromCall);
      return parseCommand(words)?.(turnOf({ ...seen, prompt: words, calls }));
    },
  });
  return answerer(turnOf(conversation));
}

const POLITE =
  /^(?:(?:hey|hi|hello|ok|okay|now|and|then|please|kindly|just|(?:can|could|would|will) you|i want you to|let'?s)[,:]?\s+)+/i;

const SENTENCE_END = /(?:[\s,]+please)?(?<=[^\s./])[.!?]*$/i;

function parseCommand(prompt: string): Answerer | undefined {
  const words = unquote(prompt.trim().replace(POLITE, ''));
  const sentence = words.replace(SENTENCE_END, '');
  for (const command of TRIED) {
    const answerer = command.parse(command.verbatim ? words : sentence);
    if (answerer) return answerer;
  }
  return undefined;
}

function introduction(conversation: Conversation): string {
  const { prompt, attachments } = conversation;
  const isHelp = /^(?:help|\?|commands|what can you do)\b/i.test(prompt);
  const lines = LISTED.map((command) => `- ${command.usage}: ${command.does}`);
  const opening =
    isHelp || prompt === '' ? [] : [`You said: "${oneLine(prompt)}". That is none of my commands.`];
  if (attachments > 0)
    opening.push(
      `I also got ${attachments} ${attachments === 1 ? 'attachment' : 'attachments'}, which I cannot look into.`,
    );
  return [
    ...opening,
    'I am a scripted demo, not a real model: I follow a few plain commands and make the real tool calls for them. This needs no key and no network. I know:',
    '',
    ...lines,
    '- script: [steps as JSON]: plays your own script (see the README of the demo)',
  ].join('\n');
}
