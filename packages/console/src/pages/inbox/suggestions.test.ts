import { expect, test } from 'vitest';
import { explainSuggestions } from './suggestions.ts';

const rule = (toolName: string, ruleContent?: string, destination = 'localSettings', behavior = 'allow') => ({
  type: 'addRules',
  rules: [{ toolName, ruleContent }],
  behavior,
  destination,
});
const LOCAL = 'for you in this project (.claude/settings.local.json)';

test.each([
  [rule('Bash', 'npm test:*'), 'Allow commands that begin with "npm test" without asking', LOCAL],
  [rule('Bash', 'git log *'), 'Allow commands that begin with "git log" without asking', LOCAL],
  [rule('Bash', 'ls -la'), 'Allow the command "ls -la" without asking', LOCAL],
  [rule('Read', '//etc/**', 'session'), 'Allow Read of //etc/** without asking', 'until this session ends'],
  [rule('WebFetch', 'domain:a.example'), 'Allow WebFetch with domain:a.example without asking', LOCAL],
  [
    rule('Write', undefined, 'projectSettings', 'deny'),
    'Deny every use of Write without asking',
    'for everybody in this project (.claude/settings.json)',
  ],
  [rule('mcp__box__open'), 'Allow the tool open of the MCP server box without asking', LOCAL],
  [rule('mcp__box'), 'Allow every tool of the MCP server box without asking', LOCAL],
  [
    { type: 'setMode', mode: 'acceptEdits', destination: 'session' },
    'Make file changes without asking',
    'until this session ends',
  ],
  [
    { type: 'addDirectories', directories: ['/a', '/b'], destination: 'userSettings' },
    'Let the agent work in /a and /b too',
    'for you in all projects (~/.claude/settings.json)',
  ],
  [
    { type: 'new kind', destination: 'moon' },
    'Something that this console does not know: look at the details',
    '',
  ],
  ['odd', 'Something that this console does not know: look at the details', ''],
])('%j in plain words', (suggestion, what, where) => {
  expect(explainSuggestions([suggestion])).toEqual([{ what, where }]);
});

test('a suggestion with several rules has several effects', () => {
  const rules = [{ toolName: 'Bash', ruleContent: 'a' }, { toolName: 'Edit' }];
  const all = explainSuggestions([{ type: 'removeRules', rules, behavior: 'allow', destination: 'session' }]);
  expect(all.map(({ what }) => what)).toEqual([
    'Drop the rule for the command "a"',
    'Drop the rule for every use of Edit',
  ]);
});
