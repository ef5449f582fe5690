import { expect, test } from 'vitest';
import {
  partialArgument,
  plainOutput,
  readOutput,
  readTodos,
  shortPath,
  toolArgument,
  toolTitle,
} from './describe.ts';

test('a call is told by its tool and the input that matters', () => {
  expect(toolTitle('mcp__github__create_issue')).toBe('github: create_issue');
  expect(toolArgument('Bash', { description: 'x', command: 'ls\npwd' })).toBe('ls');
  expect(toolArgument('mcp__a__b', { n: 1, name: 'first text' })).toBe('first text');
  expect(toolArgument('TodoWrite', { todos: [] })).toBe('');
  expect(shortPath('/w/src/a.ts', '/w')).toBe('src/a.ts');
  expect(shortPath('/other/a.ts', '/w')).toBe('/other/a.ts');
});

test('an input that is being written tells what it has', () => {
  expect(partialArgument('Bash', '{"command":"npm te')).toBe('npm te');
  expect(partialArgument('Bash', '{"command":"echo \\"hi\\" \\')).toBe('echo "hi"');
  expect(partialArgument('Bash', '{"desc')).toBe('');
});

test('the output of a command has no escapes, and of a progress line its last state', () => {
  expect(plainOutput('\u001b[32mok\u001b[0m\r\nrow\n')).toBe('ok\nrow');
  expect(plainOutput('10%\r50%\r100%\nend')).toBe('100%\nend');
  expect(readOutput({ stdout: 'a\n', stderr: 'b' }, 'x')).toEqual({ out: 'a', errors: 'b' });
  expect(readOutput('Error: no', 'text')).toEqual({ out: 'text', errors: '' });
});

test('foreign data of any shape gives a list of todos', () => {
  expect(readTodos({ todos: [{ content: 'a', status: 'completed' }, null, { status: 'odd' }] })).toEqual([
    { content: 'a', status: 'completed' },
    { content: '', status: 'pending' },
    { content: '', status: 'pending' },
  ]);
  expect(readTodos({})).toEqual([]);
});
