/** Words around code and diffs. */
export const codeTexts = {
  plain: 'text',
  table: 'Table',
  code: 'Code',
  copy: 'Copy the code',
  diff: (file: string): string => `Changes of ${file}`,
  added: (lines: number): string => (lines === 1 ? '1 line added' : `${lines} lines added`),
  removed: (lines: number): string => (lines === 1 ? '1 line removed' : `${lines} lines removed`),
  more: (lines: number): string => (lines === 1 ? 'Show 1 more line' : `Show ${lines} more lines`),
  less: 'Show less',
};
