import { inboxTexts } from '../../text/inbox.ts';

const texts = inboxTexts.form;

export interface Choice {
  value: string;
  label: string;
}

interface Common {
  name: string;
  label: string;
  hint: string | undefined;
  required: boolean;
}

/** A field of a form, as an MCP server's JSON schema asks for it: plain values and lists of choices only. */
export type FormField = Common &
  (
    | {
        kind: 'text';
        format: 'email' | 'uri' | 'date' | 'date-time' | undefined;
        shortest: number | undefined;
        longest: number | undefined;
        pattern: string | undefined;
        start: string;
      }
    | { kind: 'number'; integer: boolean; least: number | undefined; most: number | undefined; start: string }
    | { kind: 'boolean'; start: boolean }
    | { kind: 'choice'; choices: readonly Choice[]; start: string }
    | {
        kind: 'choices';
        choices: readonly Choice[];
        fewest: number | undefined;
        most: number | undefined;
        start: readonly string[];
      }
  );

/** What stands in the controls, by the field's name. */
export type FormValues = Readonly<Record<string, string | boolean | readonly string[]>>;

type Json = Record<string, unknown>;

const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

/** The fields of a form; none for a schema that only asks for a yes. */
export function fieldsOf(schema: unknown): FormField[] {
  if (!isJson(schema) || !isJson(schema.properties)) return [];
  const required = new Set(Array.isArray(schema.required) ? schema.required.map(String) : []);
  return Object.entries(schema.properties).map(([name, given]) =>
    fieldOf(name, isJson(given) ? given : {}, required.has(name)),
  );
}

const FORMATS = ['email', 'uri', 'date', 'date-time'] as const;

function fieldOf(name: string, given: Json, required: boolean): FormField {
  const common = { name, label: text(given.title) ?? name, hint: text(given.description), required };
  const choices = choicesOf(given);
  if (choices) return { ...common, kind: 'choice', choices, start: text(given.default) ?? '' };
  switch (given.type) {
    case 'boolean':
      return { ...common, kind: 'boolean', start: given.default === true };
    case 'number':
    case 'integer': {
      const start = number(given.default)?.toString() ?? '';
      const [least, most] = [number(given.minimum), number(given.maximum)];
      return { ...common, kind: 'number', integer: given.type === 'integer', least, most, start };
    }
    case 'array': {
      const start = Array.isArray(given.default) ? given.default.map(String) : [];
      const of = choicesOf(isJson(given.items) ? given.items : {}) ?? [];
      const [fewest, most] = [number(given.minItems), number(given.maxItems)];
      return { ...common, kind: 'choices', choices: of, fewest, most, start };
    }
    default:
      return {
        ...common,
        kind: 'text',
        format: FORMATS.find((format) => format === given.format),
        shortest: number(given.minLength),
        longest: number(given.maxLength),
        pattern: text(given.pattern),
        start: text(given.default) ?? '',
      };
  }
}

/** `enum` with `enumNames`, or `oneOf`/`anyOf` of constants with titles. */
function choicesOf(given: Json): Choice[] | undefined {
  if (Array.isArray(given.enum)) {
    const names = Array.isArray(given.enumNames) ? given.enumNames : [];
    return given.enum.map((value, n) => ({ value: String(value), label: text(names[n]) ?? String(value) }));
  }
  const options = given.oneOf ?? given.anyOf;
  if (!Array.isArray(options) || !options.every((each) => isJson(each) && 'const' in each)) return undefined;
  return options
    .filter(isJson)
    .map((each) => ({ value: String(each.const), label: text(each.title) ?? String(each.const) }));
}

export const startValues = (fields: readonly FormField[]): FormValues =>
  Object.fromEntries(fields.map(({ name, start }) => [name, start]));

/** What is wrong, by the field's name; and what is sent when nothing is. Empty fields that may be left out are. */
export function readForm(
  fields: readonly FormField[],
  values: FormValues,
): { errors: Record<string, string>; content: Json } {
  const errors: Record<string, string> = {};
  const content: Json = {};
  for (const field of fields) {
    const given = values[field.name] ?? field.start;
    const isEmpty = given === '' || (Array.isArray(given) && given.length === 0);
    const wrong = isEmpty ? (field.required ? texts.required : undefined) : faultOf(field, given);
    if (wrong !== undefined) errors[field.name] = wrong;
    else if (!isEmpty) content[field.name] = field.kind === 'number' ? Number(given) : given;
  }
  return { errors, content };
}

function faultOf(field: FormField, given: FormValues[string]): string | undefined {
  switch (field.kind) {
    case 'number':
      return faultOfNumber(field, Number(given));
    case 'text':
      return faultOfText(field, String(given));
    case 'choices': {
      const { length } = given as readonly string[];
      if (field.fewest !== undefined && length < field.fewest) return texts.fewest(field.fewest);
      return field.most !== undefined && length > field.most ? texts.mostOf(field.most) : undefined;
    }
    default:
      return undefined;
  }
}

function faultOfNumber(
  { integer, least, most }: Extract<FormField, { kind: 'number' }>,
  value: number,
): string | undefined {
  if (!Number.isFinite(value)) return texts.number;
  if (integer && !Number.isInteger(value)) return texts.integer;
  if (least !== undefined && value < least) return texts.least(least);
  return most !== undefined && value > most ? texts.most(most) : undefined;
}

function faultOfText(
  { format, shortest, longest, pattern }: Extract<FormField, { kind: 'text' }>,
  value: string,
): string | undefined {
  if (shortest !== undefined && value.length < shortest) return texts.shortest(shortest);
  if (longest !== undefined && value.length > longest) return texts.longest(longest);
  if (format === 'email' && !/^[^\s@]+@[^\s@]+$/.test(value)) return texts.email;
  if (format === 'uri' && !URL.canParse(value)) return texts.uri;
  return pattern !== undefined && !fits(pattern, value) ? texts.pattern : undefined;
}

/** A pattern that this browser cannot read refuses nothing: the server of the form decides. */
function fits(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(value);
  } catch {
    return true;
  }
}
