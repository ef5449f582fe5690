import { lazily } from '../lazily.ts';
import type { Paint } from '../term/style.ts';

const core = lazily<typeof import('sugar-high/core')>('sugar-high/core');
const registry = lazily<typeof import('sugar-high/lang')>('sugar-high/lang');

type TokenType = import('sugar-high/core').TokenType;
type Style = (text: string) => string;

/**
 * Code as coloured lines, by sugar-high: 111 KB and no dependency, loaded in 11 ms by the first code that is shown.
 * highlight.js 11.12 would double the size of the program (5.6 MB) and take 22 ms. An unknown language is left as
 * it is; `diff` is coloured by its signs.
 */
export function highlight(code: string, name: string, paint: Paint): string[] {
  if (name === 'diff' || name === 'patch') return code.split('\n').map((line) => diffLine(line, paint));
  const language = name === '' ? undefined : findLanguage(name);
  if (!language) return code.split('\n');
  const styles = stylesOf(paint);
  return core()
    .parse(code, language.config)
    .lines.map(({ tokens }) => {
      let line = '';
      for (const [at, { type }] of tokens.entries()) {
        // A string comes as its quotes and its text: coloured as one.
        if (tokens[at - 1]?.type === type) continue;
        let end = at + 1;
        while (tokens[end]?.type === type) end += 1;
        const text = tokens.slice(at, end).reduce((whole, token) => whole + token.value, '');
        line += styles[type]?.(text) ?? text;
      }
      return line;
    });
}

function findLanguage(name: string) {
  const { lang, languages } = registry();
  const id = lang(name === 'console' ? 'shell' : name);
  return languages.find((language) => language.id === id);
}

const stylesOf = (paint: Paint): Partial<Record<TokenType, Style>> => ({
  keyword: paint.magenta,
  string: paint.green,
  comment: paint.gray,
  class: paint.yellow,
  entity: paint.blue,
});

function diffLine(line: string, paint: Paint): string {
  if (line.startsWith('+')) return paint.green(line);
  if (line.startsWith('-')) return paint.red(line);
  return line.startsWith('@@') ? paint.cyan(line) : line;
}
