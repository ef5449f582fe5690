import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createPaint } from '../term/style.ts';
import { stringWidth } from '../term/text.ts';
import { diffHunks } from './diff.ts';
import { highlight } from './highlight.ts';
import type { ToolCall } from './items.ts';
import { renderMarkdown } from './markdown.ts';
import { renderItem } from './render.ts';
import { toolLine } from './tools.ts';

const plain = createPaint(false);
const color = createPaint(true);
const markdown = (text: string, width = 40): string[] => renderMarkdown(text, width, plain);

describe('Markdown', () => {
  test('headings, emphasis, code and links', () => {
    expect(markdown('# Title\nA **bold** and *slanted* `code` and [link](https://x.y).')).toEqual([
      'Title',
      'A bold and slanted code and link',
      '(https://x.y).',
    ]);
    expect(renderMarkdown('**b** `c`', 40, color)).toEqual(['\x1b[1mb\x1b[22m \x1b[36mc\x1b[39m']);
  });

  test('what only looks like emphasis stays', () => {
    expect(markdown('snake_case_name 2 * 3 * 4 **not closed')).toEqual([
      'snake_case_name 2 * 3 * 4 **not closed',
    ]);
  });

  test('lists, with their depth, and long items below their own text', () => {
    expect(markdown('- one\n- two is long enough to be broken\n  - inner\n1. first\n- [x] done', 24)).toEqual(
      ['• one', '• two is long enough to', '  be broken', '  • inner', '1. first', '• ☑ done'],
    );
  });

  test('paragraphs, code and lists inside a list item stand below its text', () => {
    expect(markdown('1. one\n\n   more\n   ```\n   code\n   ```\n\n2. two\n   - inner')).toEqual([
      '1. one',
      '',
      '   more',
      '     code',
      '',
      '2. two',
      '   • inner',
    ]);
  });

  test('lines of a paragraph are joined and wrapped again; a hard break stays', () => {
    expect(markdown('one\ntwo\n\nthree  \nfour')).toEqual(['one two', '', 'three', 'four']);
  });

  test('a bare address is shown once, HTML and link definitions as they were written', () => {
    expect(markdown('<b>x</b> https://x.y me@x.y\n\n[1]: https://x.y')).toEqual([
      '<b>x</b> https://x.y me@x.y',
      '',
      '[1]: https://x.y',
    ]);
  });

  test('code keeps its lines and its spaces, and is not taken for Markdown', () => {
    expect(markdown('```py\nif x:\n    **y**\n```')).toEqual(['  if x:', '      **y**']);
  });

  test('tables are aligned, and broken into lines when they are too wide', () => {
    expect(markdown('| Name | Size |\n|---|--:|\n| a | 1 |\n| longer | 200 |')).toEqual([
      'Name   │ Size',
      '───────┼─────',
      'a      │    1',
      'longer │  200',
    ]);
    const wide = markdown('| A | B |\n|---|---|\n| some long words here | and some more here |', 24);
    for (const line of wide) expect(stringWidth(line)).toBeLessThanOrEqual(24);
    expect(wide.length).toBeGreaterThan(3);
  });

  test('quotes and rules', () => {
    expect(markdown('> said\n\n---')).toEqual(['│ said', '', '─'.repeat(40)]);
  });

  test('escape sequences in an answer do not reach the terminal', () => {
    expect(markdown('a\x1b[2Jb\x1b]0;x\x07c')).toEqual(['abc']);
  });

  test('no line is too wide, whatever the text', () => {
    const part = fc.oneof(
      fc.constantFrom('# ', '- ', '1. ', '> ', '```\n', '|a|b|\n|-|-|\n', '**', '`', '\n', '\n\n', '    '),
      fc.string({ unit: 'grapheme', maxLength: 30 }),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30 }), fc.integer({ min: 20, max: 80 }), (parts, width) => {
        for (const line of renderMarkdown(parts.join(''), width, color)) {
          expect(stringWidth(line.trimEnd())).toBeLessThanOrEqual(width);
        }
      }),
    );
  });
});

describe('highlighting', () => {
  test('colours keywords, strings, comments and numbers', () => {
    expect(highlight('const a = "x"; // 1', 'ts', color)).toEqual([
      '\x1b[35mconst\x1b[39m a = \x1b[32m"x"\x1b[39m; \x1b[90m// 1\x1b[39m',
    ]);
  });
  test('changes nothing but colours, in any language', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.constantFrom('ts', 'py', 'sh', 'sql', 'html', 'go', 'nothing'),
        (code, name) => {
          expect(highlight(code, name, plain).join('\n')).toBe(code);
        },
      ),
    );
  });
  test('a comment over several lines is coloured line by line', () => {
    expect(highlight('/* a\nb */', 'js', color)).toEqual(['\x1b[90m/* a\x1b[39m', '\x1b[90mb */\x1b[39m']);
  });
});

describe('diffs', () => {
  test('show what changed, with three lines around it', () => {
    const before = Array.from({ length: 20 }, (_, line) => `line ${line}`);
    const after = before.with(10, 'changed');
    const hunks = diffHunks(before.join('\n'), after.join('\n'));
    expect(hunks).toHaveLength(1);
    expect(hunks[0]?.lines.map(({ sign, text }) => sign + text)).toEqual([
      ' line 7',
      ' line 8',
      ' line 9',
      '-line 10',
      '+changed',
      ' line 11',
      ' line 12',
      ' line 13',
    ]);
    expect(hunks[0]?.lines[0]?.new).toBe(8);
  });
  test('the kept and removed lines are the old text, the kept and added ones the new', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 12 });
    fc.assert(
      fc.property(text, text, (before, after) => {
        const whole = diffHunks(before.join('\n'), after.join('\n'), 100);
        // Texts that are the same have no hunk.
        const same = before.map((text) => ({ sign: ' ', text }));
        const lines = whole.length === 0 ? same : whole.flatMap((hunk) => hunk.lines);
        const side = (sign: string): string[] => lines.filter((l) => l.sign !== sign).map((l) => l.text);
        expect(side('+')).toEqual(before);
        expect(side('-')).toEqual(after);
      }),
    );
  });
});

describe('tool calls', () => {
  const call = (parts: Partial<ToolCall>): ToolCall => ({
    id: 't',
    name: 'Bash',
    input: { command: 'ls' },
    result: { text: 'a\nb', isError: false, details: undefined },
    steps: 0,
    lastStep: undefined,
    ...parts,
  });
  const lines = (parts: Partial<ToolCall>): string[] =>
    renderItem({ kind: 'tool', call: call(parts) }, { width: 60, paint: plain });

  test('stand with their result', () => {
    expect(lines({})).toEqual(['', '● Bash(ls)', '  ⎿ a', '    b']);
  });
  test('a long result is cut', () => {
    const text = Array.from({ length: 30 }, (_, line) => `${line}`).join('\n');
    expect(lines({ result: { text, isError: false, details: undefined } }).at(-1)).toBe(
      '    … 26 more lines',
    );
  });
  test('an edit shows its diff, with the line numbers of the file when the tool gives them', () => {
    const details = { structuredPatch: [{ oldStart: 7, newStart: 7, lines: [' keep', '-old', '+new'] }] };
    const edit = call({
      name: 'Edit',
      input: { file_path: 'a.ts', old_string: 'old', new_string: 'new' },
      result: { text: '', isError: false, details },
    });
    expect(renderItem({ kind: 'tool', call: edit }, { width: 60, paint: plain })).toEqual([
      '',
      '● Edit(a.ts)',
      '  ⎿ +1 -1',
      '    7   keep',
      '    8 - old',
      '    8 + new',
    ]);
  });
  test('an MCP tool is named by its server', () => {
    expect(toolLine('mcp__github__create_issue', { title: 'x' }, 60, plain)).toBe('github: create_issue(x)');
  });
  test('a command cannot hide behind control characters', () => {
    expect(toolLine('Bash', { command: 'ls \x1b[8m; rm -rf ~\r' }, 60, plain)).toBe('Bash(ls ; rm -rf ~)');
  });
});
