import { answerCommand } from './commands.ts';
import type { Conversation, MessagesRequest } from './conversation.ts';
import { reportOn } from './report.ts';
import { fillIn, readInlineScript, type Step } from './script.ts';

/** A named script for prompts that match. Scenarios are tried before everything else. */
export interface Scenario {
  name: string;
  /** A string matches a prompt that contains it. */
  match: string | RegExp | ((prompt: string) => boolean);
  /** A function is asked again for each answer: it must give the same steps for the same prompt. */
  steps: Step[] | ((conversation: Conversation) => Step[]);
}

/** Decides what to answer next; the same conversation always gives the same step. */
export function nextStep(
  conversation: Conversation,
  request: MessagesRequest,
  scenarios: readonly Scenario[],
): Step {
  const { wanted, prompt } = conversation;
  if (wanted === 'prompt') {
    const scenario = scenarios.find((candidate) => matches(candidate, prompt));
    if (scenario) {
      const steps = typeof scenario.steps === 'function' ? scenario.steps(conversation) : scenario.steps;
      return stepOf(steps, conversation);
    }
    const script = readInlineScript(prompt);
    if (script.found) {
      if ('problem' in script) return { say: script.problem };
      return stepOf(script.steps, conversation);
    }
  }
  return answerCommand(conversation, request);
}

function matches(scenario: Scenario, prompt: string): boolean {
  const { match } = scenario;
  if (typeof match === 'string') return prompt.includes(match);
  return typeof match === 'function' ? match(prompt) : prompt.search(match) >= 0;
}

function stepOf(steps: readonly Step[], conversation: Conversation): Step {
  const step = steps[conversation.step];
  if (!step) return { say: reportOn(conversation.answered) };
  const values = {
    prompt: conversation.prompt,
    results: conversation.answered.map(({ result }) => result?.text ?? ''),
  };
  const filled: Step = { ...step };
  if (step.say) filled.say = fillIn(step.say, values);
  if (step.thinking) filled.thinking = fillIn(step.thinking, values);
  return filled;
}
