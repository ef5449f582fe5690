import type { PermissionRequest } from 'claude-agent-protocol';
import { expect, test } from 'vitest';
import type { Key } from '../term/keys.ts';
import type { Panel } from '../term/panels.ts';
import { createPaint } from '../term/style.ts';
import { askForm } from './elicitation.ts';

const key = (name: string, text = ''): Key => ({
  name,
  text,
  ctrl: false,
  alt: false,
  shift: false,
  paste: false,
});
const typed = (text: string): Key[] => [...[...text].map((letter) => key('', letter)), key('enter')];

/** Answers each panel with the next list of keys; remembers what was shown. */
function user(answers: Key[][]) {
  const shown: string[] = [];
  const open = async <T>(panel: Panel<T>): Promise<T | undefined> => {
    shown.push(panel.render(80, 30).lines.join('\n'));
    for (const pressed of answers.shift() ?? []) {
      const outcome = panel.key(pressed);
      if (outcome) return outcome.done;
    }
    throw new Error(`nobody answers: ${shown.at(-1)}`);
  };
  return { shown, deps: { open, paint: createPaint(false), waiting: () => 1 } };
}

const request = (input: Record<string, unknown>): PermissionRequest =>
  ({
    tool_name: 'mcp__travel',
    tool_input: { serverName: 'travel', ...input },
  }) as unknown as PermissionRequest;

const form = request({
  message: 'Book a flight',
  requestedSchema: {
    properties: {
      name: { type: 'string', title: 'Your name' },
      seats: { type: 'integer', default: 1 },
      class: { type: 'string', enum: ['economy', 'first'] },
      meals: { type: 'array', items: { enum: ['fish', 'rice'] } },
      insured: { type: 'boolean' },
      note: { type: 'string' },
    },
    required: ['name'],
  },
});

test('a form is filled in field by field, and its answers have the right types', async () => {
  const { shown, deps } = user([
    typed('Ada'),
    [key('backspace'), ...typed('two')],
    [key('end'), key('backspace'), key('backspace'), key('backspace'), key('backspace'), ...typed('2')],
    [key('', '2')],
    [key('', ' '), key('enter')],
    [key('', '1')],
    [key('enter')],
  ]);
  expect(await askForm(form, deps)).toEqual({
    allowed: true,
    updated_input: { name: 'Ada', seats: 2, class: 'first', meals: ['fish'], insured: true },
  });
  expect(shown[0]).toBe('? travel asks\nBook a flight\nYour name\nname*: ');
  expect(shown[2]).toContain('This must be a whole number.');
});

test('a field that is needed is asked for again; Escape declines the form', async () => {
  const { shown, deps } = user([[key('enter')], [key('escape')]]);
  expect(await askForm(form, deps)).toEqual({ allowed: false });
  expect(shown[1]).toContain('This one is needed.');
});

test('an address is shown to be opened', async () => {
  const { shown, deps } = user([[key('enter')]]);
  const answer = await askForm(
    request({ mode: 'url', url: 'https://example.com/login', message: 'Log in' }),
    deps,
  );
  expect(answer).toEqual({ allowed: true, updated_input: {} });
  expect(shown[0]).toContain('Open in your browser: https://example.com/login');
});
