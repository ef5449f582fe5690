import type { PermissionRequest } from 'claude-agent-protocol';
import { inboxTexts as texts } from '../../text/inbox.ts';

/** A piece of what a request would do. */
export type Part =
  | { kind: 'code'; label: string; text: string; language: string }
  | { kind: 'line'; label: string; text: string }
  | { kind: 'note'; text: string }
  | { kind: 'change'; file: string; before: string; after: string };

type Input = Record<string, unknown>;

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The tool's name as people say it, and the MCP server that it is of. */
function toolOf(name: string): { name: string; server: string | undefined } {
  const [, server, tool] = /^mcp__(.+?)(?:__(.+))?$/.exec(name) ?? [];
  return server === undefined ? { name, server } : { name: tool ?? server, server };
}

/** What is asked, in one line. */
export function headlineOf({ kind, tool_name: tool }: Pick<PermissionRequest, 'kind' | 'tool_name'>): string {
  const { name, server } = toolOf(tool);
  if (kind === 'elicitation') return texts.form_of(server ?? name);
  const known = texts.tools[tool];
  if (known !== undefined) return known;
  return server === undefined
    ? texts.otherTool(name)
    : `${texts.otherTool(name)} ${texts.fields.server(server)}`;
}

/** What a tool call would do, piece by piece; whatever it is, nothing of its input is left out. */
export function partsOf(tool: string, input: Input): Part[] {
  const known = KNOWN[tool];
  if (!known) return [{ kind: 'code', label: texts.fields.input, text: pretty(input), language: 'json' }];
  const { parts, used } = known(input);
  const rest = Object.entries(input).filter(
    ([name, value]) => !used.includes(name) && value !== undefined && value !== null && value !== false,
  );
  return rest.length === 0
    ? parts
    : [
        ...parts,
        { kind: 'code', label: texts.fields.input, text: pretty(Object.fromEntries(rest)), language: 'json' },
      ];
}

const pretty = (value: unknown): string => JSON.stringify(value, null, 2);

type Describe = (input: Input) => { parts: Part[]; used: readonly string[] };

const KNOWN: Readonly<Record<string, Describe | undefined>> = {
  Bash: ({ command, description, run_in_background: inBackground }) => ({
    parts: [
      ...(text(description) === '' ? [] : [{ kind: 'note' as const, text: text(description) }]),
      { kind: 'code', label: texts.fields.command, text: text(command), language: 'bash' },
      ...(inBackground === true ? [{ kind: 'note' as const, text: texts.fields.background }] : []),
    ],
    used: ['command', 'description', 'run_in_background'],
  }),
  Write: ({ file_path: file, content }) => ({
    parts: [{ kind: 'change', file: text(file), before: '', after: text(content) }],
    used: ['file_path', 'content'],
  }),
  Edit: ({ file_path: file, old_string: before, new_string: after, replace_all: all }) => ({
    parts: [
      { kind: 'change', file: text(file), before: text(before), after: text(after) },
      ...(all === true ? [{ kind: 'note' as const, text: texts.fields.everywhere }] : []),
    ],
    used: ['file_path', 'old_string', 'new_string', 'replace_all'],
  }),
  MultiEdit: ({ file_path: file, edits }) => ({
    parts: (Array.isArray(edits) ? (edits as Input[]) : []).map((edit) => ({
      kind: 'change',
      file: text(file),
      before: text(edit.old_string),
      after: text(edit.new_string),
    })),
    used: ['file_path', 'edits'],
  }),
  NotebookEdit: ({ notebook_path: file, new_source: after }) => ({
    parts: [{ kind: 'change', file: text(file), before: '', after: text(after) }],
    used: ['notebook_path', 'new_source'],
  }),
  Read: ({ file_path: file }) => ({
    parts: [{ kind: 'line', label: texts.fields.file, text: text(file) }],
    used: ['file_path'],
  }),
  Glob: search,
  Grep: search,
  WebFetch: ({ url, prompt }) => ({
    parts: [
      { kind: 'line', label: texts.fields.url, text: text(url) },
      { kind: 'line', label: texts.fields.prompt, text: text(prompt) },
    ],
    used: ['url', 'prompt'],
  }),
  WebSearch: ({ query }) => ({
    parts: [{ kind: 'line', label: texts.fields.query, text: text(query) }],
    used: ['query'],
  }),
};

function search({ pattern, path }: Input): ReturnType<Describe> {
  return {
    parts: [
      { kind: 'line', label: texts.fields.pattern, text: text(pattern) },
      ...(text(path) === '' ? [] : [{ kind: 'line' as const, label: texts.fields.path, text: text(path) }]),
    ],
    used: ['pattern', 'path'],
  };
}
