import type { PermissionRequest } from 'claude-agent-protocol';
import type { Key } from '../term/keys.ts';
import { askPanel, type Choice, checkPanel, choosePanel, type Panel } from '../term/panels.ts';
import type { Paint } from '../term/style.ts';
import { oneLine, sanitize, wrap, wrapText } from '../term/text.ts';
import { renderMarkdown } from '../view/markdown.ts';
import { plural } from '../view/numbers.ts';
import { hunksOfCall, renderHunks, toolTitle } from '../view/tools.ts';
import type { Answer, AskDeps } from './ask.ts';
import { dangerOf } from './danger.ts';

/** Asks the user what a request wants to know. */
export async function askUser(request: PermissionRequest, deps: AskDeps): Promise<Answer | undefined> {
  switch (request.kind) {
    case 'tool':
      return deps.open(permissionPanel(request, deps));
    case 'plan':
      return askPlan(request, deps);
    case 'question':
      return askQuestions(request, deps);
    case 'elicitation':
      return (await import('./elicitation.ts')).askForm(request, deps);
    default:
      // A newer server may ask something else: shown as it is, with yes and no.
      return deps.open(permissionPanel(request, deps));
  }
}

type ToolAnswer = 'y' | 'n' | 'a' | 'd';

/** Yes, no, apply suggestions, details. Enter is yes, unless the agent asks for care. */
export function permissionPanel(request: PermissionRequest, deps: AskDeps): Panel<Answer> {
  const { paint } = deps;
  const danger = dangerOf(request);
  const defaultToNo = request.default_to_no;
  const canApply = request.suggestions.length > 0;
  let details = false;

  const answer = (letter: ToolAnswer): { done: Answer; rest: string } | undefined => {
    if (letter === 'y') return { done: { allowed: true }, rest: 'es' };
    if (letter === 'n') return { done: { allowed: false }, rest: 'o' };
    if (letter === 'a' && canApply) return { done: { allowed: true, apply_suggestions: true }, rest: '' };
    if (letter === 'd') details = !details;
    return undefined;
  };

  return {
    letters: 'ynad',
    render(width, height) {
      const waiting = deps.waiting();
      const head = `Permission Request${waiting > 1 ? ` (1 of ${waiting})` : ''}`;
      const lines = [paint.yellow(paint.bold(`⚠ ${head}`))];
      if (request.title) lines.push(...wrapText(sanitize(request.title), width));
      lines.push(...requestLines(request, width, paint, details ? 400 : 12));
      if (danger) lines.push(...wrap(paint.red(`Dangerous: ${danger}`), width));
      if (details) lines.push(...detailLines(request, width, paint));
      const room = Math.max(3, height - 3);
      const shown = lines.length > room ? [...lines.slice(0, room - 1), paint.dim('…')] : lines;
      const keys = [
        defaultToNo ? 'y' : 'Y',
        defaultToNo ? 'N' : 'n',
        ...(canApply ? ['a(apply suggestions)'] : []),
        'd(details)',
      ];
      if (canApply)
        shown.push(...wrap(paint.dim(`  a: ${suggestionText(request.suggestions)}`), width, '     '));
      const question = `Allow? [${keys.join('/')}]: `;
      return { lines: [...shown, question], cursor: { row: shown.length, column: question.length } };
    },
    key(key: Key) {
      if (key.name === 'escape') return { done: { allowed: false } };
      if (key.name === 'enter') return { done: { allowed: !defaultToNo } };
      const letter = key.paste ? '' : key.text.toLowerCase();
      return letter === 'y' || letter === 'n' || letter === 'a' || letter === 'd'
        ? answer(letter)
        : undefined;
    },
  };
}

/** The command, the file with its change, or the input as it is. */
function requestLines(request: PermissionRequest, width: number, paint: Paint, most: number): string[] {
  const { tool_name: name, tool_input: input } = request;
  const lines = [
    `Tool: ${paint.bold(toolTitle(name))}${request.agent_id ? paint.dim(' (a subagent asks)') : ''}`,
  ];
  const field = (label: string, value: unknown): void => {
    if (typeof value !== 'string') return;
    const [first = '', ...more] = sanitize(value).split('\n');
    const all = [`${label}: ${first}`, ...more.map((line) => `  ${line}`)];
    const cut = all.slice(0, most);
    lines.push(...cut.flatMap((line) => wrap(line, width, '  ')));
    if (all.length > cut.length)
      lines.push(paint.dim(`  … ${plural(all.length - cut.length, 'more line')} (d shows them)`));
  };
  if (name === 'Bash') {
    field('Command', input.command);
    if (typeof input.description === 'string') lines.push(paint.dim(`  ${oneLine(input.description)}`));
    return lines;
  }
  const hunks = hunksOfCall({ name, input, result: undefined });
  if (hunks) {
    field('File', input.file_path);
    lines.push(
      ...renderHunks(hunks, String(input.file_path ?? ''), width - 2, paint, most).map((l) => `  ${l}`),
    );
    return lines;
  }
  for (const [label, value] of Object.entries(input).slice(0, 8)) {
    field(label.replaceAll('_', ' '), typeof value === 'string' ? value : JSON.stringify(value));
  }
  return lines;
}

function detailLines(request: PermissionRequest, width: number, paint: Paint): string[] {
  const facts: [string, string | null][] = [
    ['Why', request.decision_reason],
    ['Path', request.blocked_path],
    ['About', request.description],
    ['Request', request.request_id],
    ['Subagent', request.agent_id],
    ['Expires', request.expires_at],
    ['Input', JSON.stringify(request.tool_input, undefined, 2)],
    ['Suggestions', request.suggestions.length > 0 ? JSON.stringify(request.suggestions) : null],
  ];
  return facts.flatMap(([label, value]) =>
    value === null ? [] : wrapText(sanitize(`${label}: ${value}`), width).map(paint.dim),
  );
}

interface Suggestion {
  type?: string;
  mode?: string;
  behavior?: string;
  destination?: string;
  rules?: { toolName?: string; ruleContent?: string }[];
  directories?: string[];
}

/** The agent's suggestions in words. */
export function suggestionText(suggestions: readonly unknown[]): string {
  const parts = (suggestions as Suggestion[]).map((suggestion) => {
    const where = suggestion.destination === 'session' ? 'in this session' : `(${suggestion.destination})`;
    if (suggestion.type === 'setMode') return `switch to ${suggestion.mode} mode`;
    if (suggestion.type === 'addDirectories') return `allow ${suggestion.directories?.join(', ')} ${where}`;
    const rules = (suggestion.rules ?? []).map((rule) =>
      rule.ruleContent ? `${rule.toolName}(${rule.ruleContent})` : rule.toolName,
    );
    return `always ${suggestion.behavior ?? 'allow'} ${rules.join(', ')} ${where}`;
  });
  return oneLine(parts.join('; '));
}

async function askPlan(request: PermissionRequest, { open, paint }: AskDeps): Promise<Answer | undefined> {
  const plan = typeof request.tool_input.plan === 'string' ? request.tool_input.plan : '';
  type Choose = 'edits' | 'ask' | 'no';
  const choices: Choice<Choose>[] = [
    { value: 'ask', label: 'Yes, and ask before each change' },
    { value: 'edits', label: 'Yes, and make edits without asking' },
    { value: 'no', label: 'No, keep planning' },
  ];
  const panel = choosePanel({ paint, title: [paint.bold('Go on with this plan?')], choices });
  const chosen = await open<Choose>({
    key: (key) => panel.key(key),
    render(width, height) {
      const body = renderMarkdown(plan, width - 2, paint).map((line) => `  ${line}`);
      const room = Math.max(3, height - 8);
      const shown =
        body.length > room
          ? [...body.slice(0, room), paint.dim(`  … ${plural(body.length - room, 'more line')}`)]
          : body;
      const below = panel.render(width, height - shown.length);
      return { lines: [paint.yellow(paint.bold('Plan')), ...shown, '', ...below.lines], cursor: undefined };
    },
  });
  if (chosen === undefined) return { allowed: false };
  if (chosen === 'no') {
    const message = await open(askPanel({ title: [], label: 'What should be different? (Enter: nothing)' }));
    return message ? { allowed: false, message } : { allowed: false };
  }
  // Said explicitly: the agent would go back to the mode before the plan, which may not ask at all.
  return { allowed: true, mode: chosen === 'edits' ? 'acceptEdits' : 'default' };
}

interface Question {
  question: string;
  header?: string;
  multiSelect?: boolean;
  options: { label: string; description?: string }[];
}

const OTHER = Symbol('other');

/** AskUserQuestion: each question with its choices and a free answer. The answers go back in the input. */
async function askQuestions(
  request: PermissionRequest,
  { open, paint }: AskDeps,
): Promise<Answer | undefined> {
  const questions = (request.tool_input.questions ?? []) as Question[];
  const answers: Record<string, string> = {};
  for (const [index, { question, header, options, multiSelect }] of questions.entries()) {
    const count = questions.length > 1 ? ` (${index + 1} of ${questions.length})` : '';
    const title = [
      paint.yellow(paint.bold(`? ${oneLine(header ?? 'Question')}${count}`)),
      sanitize(question),
    ];
    const choices: Choice<string | typeof OTHER>[] = options.map(({ label, description }) => ({
      value: label,
      label,
      hint: description,
    }));
    choices.push({ value: OTHER, label: 'Something else…' });
    const chosen = multiSelect
      ? await open(checkPanel({ paint, title, choices }))
      : await open(choosePanel({ paint, title, choices })).then((one) =>
          one === undefined ? undefined : [one],
        );
    if (chosen === undefined) return { allowed: false, message: 'The user did not answer the question.' };
    const texts = chosen.filter((value) => typeof value === 'string');
    if (chosen.includes(OTHER)) {
      const other = await open(askPanel({ title, label: 'Your answer:' }));
      if (other === undefined) return { allowed: false, message: 'The user did not answer the question.' };
      texts.push(other);
    }
    answers[question] = texts.join(', ');
  }
  return { allowed: true, updated_input: { ...request.tool_input, answers } };
}
