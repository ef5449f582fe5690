import { firstLines } from '../report.ts';
import type { Step } from '../script.ts';
import {
  type Command,
  callOf,
  NUMBER,
  readNumber,
  reportCall,
  type Turn,
  unquote,
  useTool,
  useTools,
} from './command.ts';

const ask: Command = {
  usage: 'ask me a question',
  does: 'asks two multiple-choice questions with AskUserQuestion',
  parse(words) {
    if (
      !/^ask(?: me)?(?: (?:a|some|two|2|the|another))?(?: multiple[- ]choice)?(?: questions?| something)/i.test(
        words,
      )
    )
      return undefined;
    return (turn) =>
      useTool(
        turn,
        { name: 'AskUserQuestion', input: { questions: QUESTIONS } },
        ({ text }) => `Thank you. ${text}`,
        'Two questions:',
      );
  },
};

const QUESTIONS = [
  {
    question: 'Which colour do you like best?',
    header: 'Colour',
    multiSelect: false,
    options: [
      { label: 'Red', description: 'Like a ripe tomato' },
      { label: 'Green', description: 'Like young grass' },
      { label: 'Blue', description: 'Like the sky at noon' },
    ],
  },
  {
    question: 'Which meals do you eat?',
    header: 'Meals',
    multiSelect: true,
    options: [
      { label: 'Breakfast', description: 'In the morning' },
      { label: 'Lunch', description: 'At noon' },
      { label: 'Dinner', description: 'In the evening' },
    ],
  },
];

const plan: Command = {
  usage: 'plan WORK',
  does: 'in plan mode: writes the plan and asks for approval with ExitPlanMode, then does WORK if it is a command',
  parse(words) {
    const found = /^(?:make (?:a|the) plan|plan)(?: (?:to|for|how to))?:? ([\s\S]+)$/i.exec(words);
    const work = found?.[1];
    return work === undefined ? undefined : (turn) => makePlan(turn, work.trim());
  },
};

function makePlan(turn: Turn, work: string): Step {
  const { surroundings, conversation } = turn;
  const exit = callOf(turn, 'ExitPlanMode');
  if (exit) {
    if (!exit.result || exit.result.isError)
      return { say: `The plan was not approved. ${firstLines(exit.result?.text ?? '', 3)}` };
    const goOn = turn.perform(work, conversation.calls.indexOf(exit) + 1);
    return (
      goOn ?? {
        say: `The plan is approved. "${work}" is none of my commands, so there is nothing more that I can do.`,
      }
    );
  }
  if (!surroundings.planMode) {
    return {
      say: 'I can only ask for approval of a plan in plan mode. Switch the session to the permission mode "plan" and ask again.',
    };
  }
  const text = `# Plan\n\n1. ${work}\n2. Report what came of it.\n`;
  const { planFile } = surroundings;
  if (planFile && !callOf(turn, 'Write')) {
    return useTools(
      turn,
      [{ name: 'Write', input: { file_path: planFile, content: text } }],
      'I write the plan down.',
    );
  }
  return useTools(turn, [{ name: 'ExitPlanMode', input: { plan: text } }], 'Here is the plan.');
}

const SUBAGENT = new RegExp(
  `^(?:(?:start|launch|spawn|use|run|create|ask|send)(?: an?| the)? )?(?:(${NUMBER}) )?(?:sub-?|helper |background )?agents?\\b(?: in (?:the )?background)?(?: (?:to|that|which|and)\\b|:)?\\s*([\\s\\S]*)$`,
  'i',
);
const MOST_AGENTS = 5;
const DEFAULT_TASK = 'list files';

const subagent: Command = {
  usage: 'start a subagent [to COMMAND] [in the background]',
  does: 'starts it with Agent (or Task); it runs COMMAND itself, or lists files; "start 3 subagents" works too',
  parse(words) {
    const found = SUBAGENT.exec(words);
    if (!found) return undefined;
    const background = /\bin (?:the )?background\b|\bbackground agent/i.test(words);
    const count = Math.min(MOST_AGENTS, Math.max(1, readNumber(found[1]) ?? 1));
    const task = unquote((found[2] ?? '').replace(/\s*\bin (?:the )?background\b\s*/i, ' '));
    return (turn) => startAgents(turn, count, task === '' ? DEFAULT_TASK : task, background);
  },
};

function startAgents(turn: Turn, count: number, task: string, background: boolean): Step {
  const name =
    turn.conversation.tools.has('Task') && !turn.conversation.tools.has('Agent') ? 'Task' : 'Agent';
  const made = turn.conversation.calls.filter((call) => call.name === 'Agent' || call.name === 'Task');
  if (made.length === 0) {
    const isCommand = turn.perform(task, 0) !== undefined;
    const tools = Array.from({ length: count }, (_, index) => ({
      name,
      input: {
        description: count === 1 ? 'Run a small task' : `Run a small task ${index + 1}`,
        prompt: isCommand ? task : DEFAULT_TASK,
        subagent_type: 'general-purpose',
        // Left out, an agent runs in the background and its report comes in a later turn.
        run_in_background: background,
      },
    }));
    const who = count === 1 ? 'a subagent' : `${count} subagents`;
    const what = isCommand ? task : `"${task}" is none of my commands, so it lists the files`;
    return useTools(turn, tools, `I start ${who}: ${what}`);
  }
  if (background && made.every((call) => call.result?.isError === false)) {
    return { say: 'It runs in the background now. I report when it is done.' };
  }
  const reports = made.map((call) =>
    reportCall(call, ({ text }) => `The subagent reports:\n${handBack(text)}`),
  );
  return { say: reports.join('\n\n') };
}

/** Takes Claude Code's frame off a subagent's report. */
function handBack(text: string): string {
  const body = text.split('The report follows:\n').at(-1) ?? text;
  return firstLines((body.split(/\nagentId: |\n<usage>/)[0] ?? body).replace(/^ {2}/gm, ''), 20);
}

export const peopleCommands: readonly Command[] = [ask, plan, subagent];
