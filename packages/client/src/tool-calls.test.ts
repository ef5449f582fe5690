import { expect, test } from 'vitest';
import {
  isInBackground,
  mainInput,
  readAnswers,
  readReport,
  readTodos,
  toolArgument,
  toolTitle,
} from './tool-calls.ts';

test('a call is told by its tool and the input that matters', () => {
  expect(toolTitle('mcp__github__create_issue')).toBe('github: create_issue');
  expect(toolTitle('Bash')).toBe('Bash');
  expect(toolArgument('Bash', { description: 'x', command: 'ls\npwd' })).toBe('ls\npwd');
  expect(toolArgument('mcp__a__b', { n: 1, name: 'first text' })).toBe('first text');
  expect(toolArgument('TodoWrite', { todos: [] })).toBe('');
  expect(toolArgument('Read', { file_path: 7 })).toBe('');
  expect([mainInput('Grep'), mainInput('TodoWrite'), mainInput('mcp__a__b')]).toEqual([
    'pattern',
    undefined,
    undefined,
  ]);
});

test('foreign data of any shape gives a list of todos', () => {
  expect(readTodos({ todos: [{ content: 'a', status: 'completed' }, null, { status: 'odd' }] })).toEqual([
    { content: 'a', status: 'completed' },
    { content: '', status: 'pending' },
    { content: '', status: 'pending' },
  ]);
  expect(readTodos({})).toEqual([]);
});

test('results say what was chosen, reported, or only begun', () => {
  expect(readAnswers({ answers: { 'Which colour?': 'Blue' } })).toEqual([['Which colour?', 'Blue']]);
  expect(readAnswers('Error')).toBeUndefined();
  const hidden = '<tools-used-before-summary>Read</tools-used-before-summary>';
  expect(readReport({ content: [{ text: `${hidden}\nFound it.` }, null, { text: 7 }] })).toBe('Found it.');
  expect(readReport(null)).toBeUndefined();
  expect([isInBackground({ isAsync: true }), isInBackground({}), isInBackground(undefined)]).toEqual([
    true,
    false,
    false,
  ]);
});
