import { answerCommand } from './commands/answer.ts';
import type { Conversation, MessagesRequest } from './conversation.ts';
import { reportOn } from './report.ts';
import { fillIn, readInlineScript, type Step } from './script.ts';
import { titleStep, withStructuredOutput } from './structured.ts';

/** A named script for prompts that match. Scenarios are tried before everything else. */
export interface Scenario {
  name: string;
  /** A string matches a prompt that contains it. */
  match: string | RegExp | ((prompt: string) => boolean);
  /** A function is asked again for each answer: it must give the same steps for the same prompt. */
  steps: Step[] | ((conversation: Conversation) => Step[]);
}

/** Claude Code asks a model that it does not know for one token, to see whether it exists. */
const PROBE: Step = { say: 'Hi', stop_reason: 'max_tokens' };

/** Decides what to answer next; the same conversation always gives the same step. */
export function nextStep(
  conversation: Conversation,
  request: MessagesRequest,
  scenarios: readonly Scenario[],
): Step {
  const { wanted, step } = conversation;
  const steps =
    wanted === 'prompt' ? scriptFor(conversation, request, scenarios) : scriptOfNotice(conversation);
  const next = steps?.[step];
  if (next) return filledIn(next, conversation);
  const unscripted = steps ? { say: reportOn(conversation.answered) } : answerCommand(conversation, request);
  return withStructuredOutput(unscripted, conversation, request);
}

function scriptFor(
  conversation: Conversation,
  request: MessagesRequest,
  scenarios: readonly Scenario[],
): readonly Step[] | undefined {
  if (request.max_tokens === 1) return [PROBE];
  const title = titleStep(conversation, request);
  if (title) return [title];
  const scenario = scenarios.find((candidate) => matches(candidate, conversation.prompt));
  if (scenario) return typeof scenario.steps === 'function' ? scenario.steps(conversation) : scenario.steps;
  const script = readInlineScript(conversation.prompt);
  if (!script.found) return undefined;
  return 'problem' in script ? [{ say: script.problem }] : script.steps;
}

/** What a background task reports may itself be a script: it is played in the turn that the agent begins for it. */
function scriptOfNotice({ wanted, notice }: Conversation): readonly Step[] | undefined {
  if (wanted !== 'notification') return undefined;
  const script = readInlineScript(notice.slice(Math.max(0, notice.indexOf('script:'))));
  return script.found && !('problem' in script) ? script.steps : undefined;
}

function matches(scenario: Scenario, prompt: string): boolean {
  const { match } = scenario;
  if (typeof match === 'string') return prompt.includes(match);
  return typeof match === 'function' ? match(prompt) : prompt.search(match) >= 0;
}

function filledIn(step: Step, conversation: Conversation): Step {
  const results = conversation.answered.map(({ result }) => result?.text ?? '');
  const values = { prompt: conversation.prompt, results };
  const filled: Step = { ...step };
  if (step.say) filled.say = fillIn(step.say, values);
  if (step.thinking) filled.thinking = fillIn(step.thinking, values);
  return filled;
}
