import { expect, test } from 'vitest';
import { argumentLine, partialArgument, plainOutput, readOutput, shortPath } from './describe.ts';

test('a call is told on one line, and its file from the folder on', () => {
  expect(argumentLine('Bash', { description: 'x', command: 'ls\npwd' })).toBe('ls');
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
