import { z } from 'zod';

/** A day: timers count to 24 of them, and beyond that fire at once. */
const LONGEST_WAIT_MS = 86_400_000;

/** What one step may hold: one step is one answer of the model. The README has the same list as a table. */
const stepSchema = z.strictObject({
  thinking: z.string().min(1).optional(),
  say: z.string().optional(),
  tools: z
    .array(z.strictObject({ name: z.string().min(1), input: z.record(z.string(), z.unknown()).default({}) }))
    .optional(),
  hold: z.string().min(1).optional(),
  delay_ms: z.number().min(0).max(LONGEST_WAIT_MS).optional(),
  word_delay_ms: z.number().min(0).max(LONGEST_WAIT_MS).optional(),
  error: z
    .strictObject({
      status: z.int().min(400).max(599),
      type: z.string().optional(),
      message: z.string().optional(),
      retry_after: z.number().min(0).optional(),
      times: z.int().min(1).optional(),
    })
    .optional(),
  cut: z
    .union([
      z.literal(true),
      z.int().min(0),
      z.strictObject({ after: z.int().min(0).optional(), times: z.int().min(1).optional() }),
    ])
    .optional(),
  stop_reason: z.string().min(1).optional(),
  usage: z
    .strictObject({
      input_tokens: z.int().min(0).optional(),
      output_tokens: z.int().min(0).optional(),
      cache_creation_input_tokens: z.int().min(0).optional(),
      cache_read_input_tokens: z.int().min(0).optional(),
    })
    .optional(),
});

/** One scripted answer of the model. */
export type Step = z.input<typeof stepSchema>;

type ScriptReading = { found: false } | { found: true; steps: Step[] } | { found: true; problem: string };

/** Reads the script that a prompt carries on a line `script: [...]` (the array may go on over more lines). */
export function readInlineScript(prompt: string): ScriptReading {
  const start = /^[ \t]*script:[ \t]*/im.exec(prompt);
  if (!start) return { found: false };
  const rest = prompt.slice(start.index + start[0].length).trim();
  const line = rest.split('\n', 1)[0] ?? '';
  const parsed = parseJson(line) ?? parseJson(rest);
  if (!parsed) {
    return { found: true, problem: `The text after "script:" is not JSON: ${jsonProblem(rest)}.` };
  }
  const checked = z.array(stepSchema).min(1).safeParse(parsed.value);
  if (checked.success) return { found: true, steps: checked.data };
  const issues = checked.error.issues.slice(0, 5).map((issue) => {
    const at = issue.path.length > 0 ? `step ${issue.path.map(String).join('.')}: ` : '';
    return `- ${at}${issue.message}`;
  });
  return { found: true, problem: `The script is not a list of steps as described:\n${issues.join('\n')}` };
}

function parseJson(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function jsonProblem(text: string): string {
  try {
    JSON.parse(text);
    return 'unknown problem';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Fills `{{prompt}}`, `{{result}}` (the first tool result) and `{{results}}` (all of them) into a text. */
export function fillIn(text: string, values: { prompt: string; results: readonly string[] }): string {
  if (!text.includes('{{')) return text;
  return text.replace(/\{\{(prompt|results?)\}\}/g, (_, name: string) => {
    if (name === 'prompt') return values.prompt;
    return name === 'result' ? (values.results[0] ?? '') : values.results.join('\n');
  });
}
