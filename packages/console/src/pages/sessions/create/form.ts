import type { CreateSession } from 'claude-agent-client';
import { ApiError } from 'claude-agent-client';
import type { OfferedModel, PermissionMode } from 'claude-agent-protocol';
import { sessionsTexts } from '../../../text/sessions.ts';
import { parseTag, type TagValue } from '../search.ts';

const texts = sessionsTexts.form;

/** What stands in the fields of the dialog: texts, as they were typed. */
export interface CreateForm {
  source: 'folder' | 'git';
  cwd: string;
  gitUrl: string;
  gitRef: string;
  message: string;
  title: string;
  model: string;
  mode: PermissionMode | '';
  allowed: string;
  denied: string;
  mcp: string;
  budget: string;
  maxTurns: string;
  effort: string;
  promptHow: 'append' | 'replace';
  prompt: string;
  network: '' | 'limited' | 'none';
  hosts: string;
  tags: string;
  trust: boolean;
  other: string;
}
export type FormField = keyof CreateForm;
/** A sentence for each field that needs another look. */
export type FormErrors = Partial<Record<FormField, string>>;

export const EMPTY_FORM: CreateForm = {
  source: 'folder',
  cwd: '',
  gitUrl: '',
  gitRef: '',
  message: '',
  title: '',
  model: '',
  mode: '',
  allowed: '',
  denied: '',
  mcp: '',
  budget: '',
  maxTurns: '',
  effort: '',
  promptHow: 'append',
  prompt: '',
  network: '',
  hosts: '',
  tags: '',
  trust: false,
  other: '',
};

/** The options of the new session, or what the reader has to look at first. The server checks the rest. */
export function bodyOf(
  form: CreateForm,
  models: readonly OfferedModel[],
): { body: CreateSession } | { errors: FormErrors } {
  const errors: FormErrors = {};
  const read = <T>(field: FormField, parse: (text: string) => T): T | undefined => {
    const text = String(form[field]).trim();
    if (text === '') return undefined;
    try {
      return parse(text);
    } catch (error) {
      errors[field] = error instanceof Error ? error.message : String(error);
      return undefined;
    }
  };
  const model = read('model', (text) => text);
  const network =
    form.network === ''
      ? undefined
      : { mode: form.network, ...(form.network === 'limited' && { hosts: linesOf(form.hosts) }) };
  const given = {
    ...read('other', parseObject),
    ...(form.source === 'folder'
      ? { cwd: read('cwd', (text) => text) }
      : { workspace: { git: form.gitUrl.trim(), ref: read('gitRef', (text) => text) } }),
    title: read('title', (text) => text),
    model,
    permission_mode: form.mode === '' ? undefined : form.mode,
    allowed_tools: read('allowed', linesOf),
    disallowed_tools: read('denied', linesOf),
    mcp_servers: read('mcp', parseObject),
    max_budget_usd: read('budget', parseNumber),
    max_turns: read('maxTurns', parseNumber),
    effort: read('effort', (text) => text),
    system_prompt: read('prompt', (text) =>
      form.promptHow === 'replace' ? text : { type: 'preset', preset: 'claude_code', append: text },
    ),
    network,
    metadata: read('tags', parseTags),
    trust_project: form.trust || undefined,
    enable_proxy: models.some(({ id, needs_proxy: needs }) => id === model && needs) || undefined,
  };
  if (Object.keys(errors).length > 0) return { errors };
  // What a field does not say is left to "other options", and then to the server, which checks every one of them.
  const body = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return { body: body as CreateSession };
}

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(texts.wrongJson(error instanceof Error ? error.message : ''));
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(texts.notAnObject);
  return { ...value };
}

function parseNumber(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value)) throw new Error(texts.notANumber);
  return value;
}

function parseTags(text: string): Record<string, TagValue> {
  return Object.fromEntries(
    linesOf(text).map((line) => {
      const tag = parseTag(line);
      if (!tag) throw new Error(texts.notATag(line));
      return tag;
    }),
  );
}

/** Where the reader finds an option of the server. Options that have no field of their own are among the others. */
const FIELDS: Readonly<Record<string, FormField>> = {
  cwd: 'cwd',
  title: 'title',
  model: 'model',
  permission_mode: 'mode',
  allowed_tools: 'allowed',
  disallowed_tools: 'denied',
  mcp_servers: 'mcp',
  max_budget_usd: 'budget',
  max_turns: 'maxTurns',
  effort: 'effort',
  system_prompt: 'prompt',
  metadata: 'tags',
  trust_project: 'trust',
};

/** Refusals that are about one field, though the server does not name it. */
const BY_CODE: Readonly<Record<string, FormField>> = {
  cwd_not_allowed: 'cwd',
  cwd_not_found: 'cwd',
  git_url_not_allowed: 'gitUrl',
  workspace_too_large: 'gitUrl',
  workspace_unavailable: 'gitUrl',
  permission_mode_forbidden: 'mode',
  bypass_needs_sandbox: 'mode',
  trust_forbidden: 'trust',
  network_not_limitable: 'network',
};

/** What the server said, at the fields that it is about; `general` is about none of them. */
export function errorsOf(problem: unknown): { errors: FormErrors; general: string | undefined } {
  if (!(problem instanceof ApiError)) {
    return { errors: {}, general: problem instanceof Error ? problem.message : String(problem) };
  }
  const found = new Map<FormField, string[]>();
  for (const { path, message } of problem.errors) {
    const [field, rest] = fieldOf(path);
    found.set(field, [...(found.get(field) ?? []), rest === '' ? message : `${rest}: ${message}`]);
  }
  const byCode = BY_CODE[problem.code];
  if (found.size === 0 && byCode) found.set(byCode, [problem.detail]);
  const errors = Object.fromEntries([...found].map(([field, lines]) => [field, lines.join('; ')]));
  return { errors, general: found.size === 0 ? problem.detail : undefined };
}

/** `body.mcp_servers.docs.url` is about the field of the MCP servers, and there about `docs.url`. */
function fieldOf(path: string): [FormField, string] {
  const [, option = '', ...rest] = path.split('.');
  if (option === 'workspace') return [rest[0] === 'ref' ? 'gitRef' : 'gitUrl', ''];
  if (option === 'network') return [rest[0] === 'hosts' ? 'hosts' : 'network', rest.slice(1).join('.')];
  const field = FIELDS[option];
  return field ? [field, rest.join('.')] : ['other', [option, ...rest].join('.')];
}
