import type { PermissionRequest } from 'claude-agent-protocol';
import { askPanel, checkPanel, choosePanel } from '../term/panels.ts';
import { oneLine, sanitize } from '../term/text.ts';
import type { Answer, AskDeps } from './ask.ts';

interface Field {
  type?: string;
  title?: string;
  description?: string;
  enum?: unknown[];
  enumNames?: string[];
  oneOf?: { const: unknown; title?: string }[];
  items?: { enum?: unknown[] };
  default?: unknown;
}

interface Form {
  message?: string;
  mode?: string;
  url?: string;
  serverName?: string;
  requestedSchema?: { properties?: Record<string, Field>; required?: string[] };
}

const DECLINED: Answer = { allowed: false };

/** A form that an MCP server asks to fill in, field by field; or an address to open in the browser. */
export async function askForm(
  request: PermissionRequest,
  { open, paint }: AskDeps,
): Promise<Answer | undefined> {
  const form = request.tool_input as Form;
  const head = [
    paint.yellow(paint.bold(`? ${oneLine(form.serverName ?? request.tool_name)} asks`)),
    sanitize(form.message ?? ''),
  ];
  if (form.mode === 'url') {
    const title = [...head, `Open in your browser: ${sanitize(form.url ?? '')}`];
    const done = await open(
      choosePanel({
        paint,
        title,
        choices: [
          { value: true, label: 'Done' },
          { value: false, label: 'Decline' },
        ],
      }),
    );
    return done ? { allowed: true, updated_input: {} } : DECLINED;
  }
  const content: Record<string, unknown> = {};
  const { properties = {}, required = [] } = form.requestedSchema ?? {};
  for (const [name, field] of Object.entries(properties)) {
    const value = await askField(name, field, { head, required: required.includes(name) }, { open, paint });
    if (value === CANCELLED) return DECLINED;
    if (value !== undefined) content[name] = value;
  }
  return { allowed: true, updated_input: content };
}

const CANCELLED = Symbol('cancelled');

async function askField(
  name: string,
  field: Field,
  { head, required }: { head: readonly string[]; required: boolean },
  { open, paint }: Pick<AskDeps, 'open' | 'paint'>,
): Promise<unknown> {
  const title = [
    ...head,
    oneLine(field.title ?? name) + (field.description ? `: ${oneLine(field.description)}` : ''),
  ];
  const choices = choicesOf(field);
  if (field.type === 'array' && field.items?.enum) {
    const marked = await open(
      checkPanel({
        paint,
        title,
        choices: field.items.enum.map((value) => ({ value, label: String(value) })),
      }),
    );
    return marked ?? CANCELLED;
  }
  if (choices) {
    const initial = Math.max(
      0,
      choices.findIndex((choice) => choice.value === field.default),
    );
    const chosen = await open(choosePanel({ paint, title, choices, initial }));
    return chosen === undefined ? CANCELLED : chosen;
  }
  for (let problem = ''; ; ) {
    const initial = field.default === undefined ? '' : String(field.default);
    const shown = problem === '' ? title : [...title, paint.red(problem)];
    const text = await open(
      askPanel({ title: shown, label: `${oneLine(name)}${required ? '*' : ''}:`, initial }),
    );
    if (text === undefined) return CANCELLED;
    if (text === '' && !required) return undefined;
    const value = readValue(text, field.type);
    if (value !== undefined && text !== '') return value;
    problem =
      text === ''
        ? 'This one is needed.'
        : `This must be ${field.type === 'integer' ? 'a whole number' : 'a number'}.`;
  }
}

function choicesOf(field: Field): { value: unknown; label: string }[] | undefined {
  if (field.type === 'boolean') {
    return [
      { value: true, label: 'Yes' },
      { value: false, label: 'No' },
    ];
  }
  if (field.oneOf)
    return field.oneOf.map((one) => ({ value: one.const, label: one.title ?? String(one.const) }));
  return field.enum?.map((value, index) => ({ value, label: field.enumNames?.[index] ?? String(value) }));
}

function readValue(text: string, type: string | undefined): unknown {
  if (type !== 'number' && type !== 'integer') return text;
  const value = Number(text);
  return Number.isFinite(value) && (type === 'number' || Number.isInteger(value)) ? value : undefined;
}
