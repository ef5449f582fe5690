import type { Conversation, MessagesRequest } from './conversation.ts';
import { oneLine } from './report.ts';
import type { Step } from './script.ts';

/** Claude Code offers this tool when the caller of the agent wants its answer as JSON of a given schema. */
const TOOL = 'StructuredOutput';

/** Ends a turn the way that the caller asked for: the last answer also carries JSON where that is wanted. */
export function withStructuredOutput(step: Step, conversation: Conversation, request: MessagesRequest): Step {
  if (step.error || (step.tools?.length ?? 0) > 0) return step;
  const tool = request.tools?.find(({ name }) => name === TOOL);
  if (tool && !conversation.calls.some(({ name }) => name === TOOL)) {
    const input = sampleOf(tool.input_schema, step.say ?? '') as Record<string, unknown>;
    return { ...step, tools: [{ name: TOOL, input }] };
  }
  const schema = request.output_config?.format?.schema;
  return schema === undefined ? step : { ...step, say: JSON.stringify(sampleOf(schema, step.say ?? '')) };
}

/** The title for a session, when that is what Claude Code asks for in the background. */
export function titleStep(conversation: Conversation, request: MessagesRequest): Step | undefined {
  const session = /^<session>\n([\s\S]*?)\n<\/session>/.exec(conversation.prompt)?.[1];
  if (session === undefined || request.output_config?.format === undefined) return undefined;
  const words = oneLine(session.replace(/^script:[\s\S]*/im, 'Scripted session'), 48);
  return { say: JSON.stringify({ title: words.charAt(0).toUpperCase() + words.slice(1) }) };
}

interface Schema {
  type?: string | string[];
  const?: unknown;
  default?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  minItems?: number;
  minimum?: number;
  minLength?: number;
}

/** The plainest value that a JSON schema of everyday kind allows; `text` goes into its strings. */
function sampleOf(schema: unknown, text: string): unknown {
  const it = (typeof schema === 'object' && schema !== null ? schema : {}) as Schema;
  if (it.const !== undefined) return it.const;
  if (it.enum) return it.enum[0];
  if (it.default !== undefined) return it.default;
  const choice = it.anyOf?.[0] ?? it.oneOf?.[0];
  if (choice) return sampleOf(choice, text);
  switch (Array.isArray(it.type) ? it.type[0] : it.type) {
    case 'string':
      return text.padEnd(it.minLength ?? 0, '.');
    case 'integer':
    case 'number':
      return it.minimum ?? 0;
    case 'boolean':
      return true;
    case 'null':
      return null;
    case 'array':
      return Array.from({ length: it.minItems ?? 0 }, () => sampleOf(it.items, text));
    default: {
      const names = it.required ?? Object.keys(it.properties ?? {});
      return Object.fromEntries(names.map((name) => [name, sampleOf(it.properties?.[name], text)]));
    }
  }
}
