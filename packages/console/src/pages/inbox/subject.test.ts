import { expect, test } from 'vitest';
import { headlineOf, partsOf } from './subject.ts';

test.each([
  ['tool', 'Bash', 'Run a command'],
  ['tool', 'mcp__box__open', 'Use open of the MCP server box'],
  ['tool', 'NewTool', 'Use NewTool'],
  ['elicitation', 'mcp__forms', 'Fill in a form of forms'],
] as const)('%s of %s is headed "%s"', (kind, tool_name, headline) => {
  expect(headlineOf({ kind, tool_name })).toBe(headline);
});

test('a command is code, with what the agent says about it', () => {
  expect(partsOf('Bash', { command: 'ls', description: 'Look', timeout: 5 })).toEqual([
    { kind: 'note', text: 'Look' },
    { kind: 'code', label: 'Command', text: 'ls', language: 'bash' },
    { kind: 'code', label: 'Input', text: '{\n  "timeout": 5\n}', language: 'json' },
  ]);
});

test('changes of a file are changes', () => {
  const change = { kind: 'change', file: '/a', before: 'x', after: 'y' };
  expect(partsOf('Edit', { file_path: '/a', old_string: 'x', new_string: 'y', replace_all: false })).toEqual([
    change,
  ]);
  const edits = [{ old_string: 'x', new_string: 'y' }];
  expect(partsOf('MultiEdit', { file_path: '/a', edits })).toEqual([change]);
  expect(partsOf('Write', { file_path: '/a', content: 'y' })).toEqual([{ ...change, before: '' }]);
});

test('nothing of an input is left out', () => {
  const odd = { file_path: '/a', old_string: 'x', new_string: 'y', more: { a: 1 } };
  expect(partsOf('Edit', odd).at(-1)).toMatchObject({
    kind: 'code',
    text: expect.stringContaining('"more"'),
  });
  expect(partsOf('mcp__a__b', { a: 1 })).toEqual([
    { kind: 'code', label: 'Input', text: '{\n  "a": 1\n}', language: 'json' },
  ]);
});
