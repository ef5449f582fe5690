import type { RespondPermission } from 'claude-agent-protocol';
import type { FieldError } from 'claude-agent-protocol/problems';
import type { Decision } from '../agent/agent.ts';
import { type AppError, problem } from '../errors.ts';
import { isObject } from '../is-object.ts';
import type { PermissionRecord } from '../store/store.ts';

type Input = Record<string, unknown>;

/**
 * The decision that an answer stands for.
 * @throws AppError 422 when the answer could not reach the model: the agent would treat the call as broken, and the
 * model would see a schema error instead of the answer
 */
export function readAnswer(request: PermissionRecord, answer: RespondPermission): Decision {
  if (!answer.allowed) {
    // An empty reason would reach the model as an empty tool result, which says nothing.
    const message = answer.message?.trim() ? answer.message : 'The user denied this.';
    return { allowed: false, message, interrupt: answer.interrupt ?? false };
  }
  const updatedInput = readInput(request, answer.updated_input);
  return {
    allowed: true,
    applySuggestions: answer.apply_suggestions ?? false,
    ...(updatedInput && { updatedInput }),
  };
}

function readInput({ kind, toolName, toolInput }: PermissionRecord, given?: Input): Input | undefined {
  switch (kind) {
    case 'question':
      return readAnswers(toolInput, given);
    case 'plan':
      return given && { ...toolInput, ...given };
    case 'elicitation':
      return readContent(toolInput.requestedSchema, given);
    case 'tool':
      if (given) checkToolInput(toolName, given);
      return given;
  }
}

interface Asked {
  question: string;
  options?: { label: string }[];
}

/** Answers to AskUserQuestion, merged into the tool's input; free text is as valid as one of the options. */
function readAnswers(toolInput: Input, given: Input = {}): Input {
  const questions = (Array.isArray(toolInput.questions) ? toolInput.questions : []) as Asked[];
  const said = isObject(given.answers) ? Object.entries(given.answers) : [];
  const errors: FieldError[] = [];
  const answers: Record<string, string> = {};
  for (const [question, value] of said) {
    // The agent accepts strings only; several choices are joined, as its own terminal program does.
    const text = Array.isArray(value) ? value.join(', ') : value;
    const path = `body.updated_input.answers.${question}`;
    if (!questions.some((asked) => asked.question === question)) {
      errors.push({ path, message: 'this was not asked' });
    } else if (typeof text !== 'string' || text.trim() === '') {
      errors.push({ path, message: 'the answer must be a text, or a list of texts' });
    } else answers[question] = text;
  }
  if (said.length === 0) {
    errors.push({ path: 'body.updated_input.answers', message: 'a question is allowed by answering it' });
  }
  if (errors.length > 0) {
    const asked = questions.map(({ question, options = [] }) => {
      const labels = options.map(({ label }) => `"${label}"`).join(', ');
      return `"${question}" (${labels}, or other words)`;
    });
    const form = '{"updated_input": {"answers": {"<question>": "<answer>"}}}';
    throw refused(`Answer with ${form}. The questions are ${asked.join(' and ')}.`, errors);
  }
  return { ...toolInput, ...given, questions: toolInput.questions, answers };
}

/** The content of an MCP server's form: every required field, and no unknown one. */
function readContent(schema: unknown, given: Input = {}): Input {
  // A form without fields only asks for a yes (or to visit an address).
  if (!isObject(schema)) return given;
  const fields = isObject(schema.properties) ? schema.properties : {};
  const required = Array.isArray(schema.required) ? schema.required.map(String) : [];
  const errors = [
    ...required
      .filter((field) => given[field] === undefined || given[field] === null)
      .map((field) => ({ path: `body.updated_input.${field}`, message: 'the form requires it' })),
    ...Object.entries(given).flatMap(([field, value]) => {
      const path = `body.updated_input.${field}`;
      if (!Object.hasOwn(fields, field)) return [{ path, message: 'the form has no such field' }];
      const wrong = misfit(fields[field], value);
      return wrong === undefined ? [] : [{ path, message: wrong }];
    }),
  ];
  if (errors.length > 0) {
    const described = Object.entries(fields).map(([field, form]) => `${field} (${typeOf(form) ?? 'any'})`);
    throw refused(`Fill the form in with "updated_input". Its fields are ${described.join(', ')}.`, errors);
  }
  return given;
}

/** What is wrong with a value of a form; MCP allows only plain values and lists. */
function misfit(form: unknown, value: unknown): string | undefined {
  const type = typeOf(form);
  const fits: Record<string, boolean> = {
    string: typeof value === 'string',
    boolean: typeof value === 'boolean',
    number: typeof value === 'number',
    integer: Number.isInteger(value),
    array: Array.isArray(value),
  };
  if (type !== undefined && fits[type] === false) return `must be of type ${type}`;
  if (!isObject(form) || !Array.isArray(form.enum) || form.enum.includes(value)) return undefined;
  return `must be one of ${form.enum.map(String).join(', ')}`;
}

const typeOf = (form: unknown): string | undefined =>
  isObject(form) && typeof form.type === 'string' ? form.type : undefined;

/** Required fields of the agent's own tools, all of them strings. Other tools' forms are not known here. */
const NEEDS: ReadonlyMap<string, readonly string[]> = new Map([
  ['Bash', ['command']],
  ['Write', ['file_path', 'content']],
  ['Edit', ['file_path', 'old_string', 'new_string']],
  ['Read', ['file_path']],
  ['NotebookEdit', ['notebook_path', 'new_source']],
  ['Glob', ['pattern']],
  ['Grep', ['pattern']],
  ['WebFetch', ['url', 'prompt']],
  ['WebSearch', ['query']],
  ['Agent', ['description', 'prompt']],
]);

function checkToolInput(toolName: string, given: Input): void {
  const errors = (NEEDS.get(toolName) ?? [])
    .filter((field) => typeof given[field] !== 'string')
    .map((field) => ({ path: `body.updated_input.${field}`, message: `${toolName} needs it, as a text` }));
  if (errors.length > 0) {
    throw refused('"updated_input" replaces the whole input of the tool: send all of its fields.', errors);
  }
}

function refused(advice: string, errors: FieldError[]): AppError {
  return problem('answer_invalid', { advice, errors });
}
