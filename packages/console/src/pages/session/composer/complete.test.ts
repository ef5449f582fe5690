import { expect, test } from 'vitest';
import { matchCommands, readCommands, typedCommand } from './complete.ts';

test('a command is typed while the text is a slash and the start of a name', () => {
  expect(typedCommand('/')).toBe('');
  expect(typedCommand('/com')).toBe('com');
  for (const text of ['com', '/com now', ' /com', '/etc/passwd']) expect(typedCommand(text)).toBeUndefined();
});

test('commands that begin with what is typed come first', () => {
  const commands = readCommands(
    ['compact', 'recap'],
    [{ name: 'context', description: 'What is used' }, null],
  );
  expect(matchCommands(commands, 'co').map(({ name }) => name)).toEqual(['compact', 'context']);
  expect(matchCommands(commands, 'CAP').map(({ name }) => name)).toEqual(['recap']);
  expect(commands.find(({ name }) => name === 'context')?.description).toBe('What is used');
});
