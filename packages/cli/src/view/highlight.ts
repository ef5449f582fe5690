import type { Paint } from '../term/style.ts';

interface Language {
  keywords: ReadonlySet<string>;
  /** How a comment to the end of the line begins. */
  lineComment: RegExp | undefined;
  blockComment: RegExp | undefined;
  strings: RegExp;
}

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '));
const C_BLOCK = /\/\*[\s\S]*?(?:\*\/|$)/y;
const SLASHES = /\/\/.*/y;
const HASH = /#.*/y;
const QUOTES = /"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?/y;
const JS_STRINGS = /"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|`(?:[^`\\]|\\[\s\S])*`?/y;
const PYTHON_STRINGS = /"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?/y;

function language(keywords: string, parts: Partial<Omit<Language, 'keywords'>> = {}): Language {
  return {
    keywords: words(keywords),
    lineComment: SLASHES,
    blockComment: C_BLOCK,
    strings: QUOTES,
    ...parts,
  };
}

const script = (): Language =>
  language(
    'abstract any as async await boolean break case catch class const continue declare default delete do else enum export extends false finally for from function get if implements import in instanceof interface keyof let namespace new null number of private protected public readonly return satisfies set static string super switch this throw true try type typeof undefined unknown var void while yield',
    { strings: JS_STRINGS },
  );
const shell = (): Language =>
  language(
    'if then else elif fi for in do done while until case esac function return export local readonly set unset echo cd exit source sudo',
    { lineComment: HASH, blockComment: undefined },
  );
const rust = (): Language =>
  language(
    'as async await break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut pub ref return self Self static struct super trait true type unsafe use where while',
  );

/** Made when first asked for: most answers hold one language, if any. */
const LANGUAGES: Record<string, () => Language> = {
  ts: script,
  tsx: script,
  typescript: script,
  js: script,
  jsx: script,
  javascript: script,
  mjs: script,
  cjs: script,
  json: () => language('true false null'),
  jsonc: () => language('true false null'),
  python: () =>
    language(
      'and as assert async await break class continue def del elif else except False finally for from global if import in is lambda match None nonlocal not or pass raise return self True try while with yield',
      { lineComment: HASH, blockComment: undefined, strings: PYTHON_STRINGS },
    ),
  bash: shell,
  sh: shell,
  zsh: shell,
  shell: shell,
  console: shell,
  rust,
  rs: rust,
  go: () =>
    language(
      'break case chan const continue default defer else fallthrough false for func go goto if import interface map nil package range return select struct switch true type var',
      { strings: JS_STRINGS },
    ),
  java: () =>
    language(
      'abstract boolean break byte case catch char class const continue default do double else enum extends false final finally float for if implements import instanceof int interface long new null package private protected public record return short static super switch this throw throws true try var void volatile while',
    ),
  c: () =>
    language(
      'auto bool break case char class const constexpr continue default delete do double else enum extern false float for if include inline int long namespace new nullptr private protected public return short signed sizeof static std string struct switch template this true typedef union unsigned using virtual void volatile while',
    ),
  ruby: () =>
    language(
      'alias and begin break case class def do else elsif end ensure false for if in module next nil not or redo rescue retry return self super then true undef unless until when while yield require',
      { lineComment: HASH, blockComment: undefined },
    ),
  yaml: () => language('true false null yes no', { lineComment: HASH, blockComment: undefined }),
  toml: () => language('true false', { lineComment: HASH, blockComment: undefined }),
  sql: () =>
    language(
      'select from where and or not insert into values update set delete create table index drop alter join left right inner outer on group by order having limit offset as distinct union all null primary key references default case when then else end with returning SELECT FROM WHERE AND OR NOT INSERT INTO VALUES UPDATE SET DELETE CREATE TABLE INDEX DROP ALTER JOIN LEFT RIGHT INNER OUTER ON GROUP BY ORDER HAVING LIMIT OFFSET AS DISTINCT UNION ALL NULL PRIMARY KEY REFERENCES DEFAULT CASE WHEN THEN ELSE END WITH RETURNING',
      { lineComment: /--.*/y },
    ),
  css: () => language('important media import from to', { lineComment: undefined }),
  html: () => language('', { lineComment: undefined, blockComment: /<!--[\s\S]*?(?:-->|$)/y }),
};

const ALIASES: Record<string, string> = {
  py: 'python',
  golang: 'go',
  kt: 'java',
  kotlin: 'java',
  cs: 'java',
  csharp: 'java',
  swift: 'rust',
  cpp: 'c',
  'c++': 'c',
  h: 'c',
  hpp: 'c',
  cc: 'c',
  rb: 'ruby',
  yml: 'yaml',
  xml: 'html',
  scss: 'css',
};

const WORD = /[A-Za-z_$][\w$]*/y;
const NUMBER = /\b(?:0[xXbBoO][\da-fA-F_]+|\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)/y;

/** The file extension's name, or what stands after the fence, in our terms. */
function languageOf(name: string): Language | undefined {
  const lower = name.toLowerCase();
  const known = Object.hasOwn(LANGUAGES, lower) ? lower : ALIASES[lower];
  return known === undefined ? undefined : LANGUAGES[known]?.();
}

/** Code as coloured lines. An unknown language is left as it is; `diff` is coloured by its signs. */
export function highlight(code: string, name: string, paint: Paint): string[] {
  if (name === 'diff' || name === 'patch') return code.split('\n').map((line) => diffLine(line, paint));
  const lang = languageOf(name);
  if (!lang) return code.split('\n');
  let out = '';
  let at = 0;
  const take = (pattern: RegExp | undefined): string | undefined => {
    if (!pattern) return undefined;
    pattern.lastIndex = at;
    const found = pattern.exec(code)?.[0];
    return found === '' ? undefined : found;
  };
  while (at < code.length) {
    const comment = take(lang.blockComment) ?? take(lang.lineComment);
    const string = comment === undefined ? take(lang.strings) : undefined;
    const token = comment ?? string ?? take(NUMBER) ?? take(WORD) ?? code.charAt(at);
    if (comment !== undefined) out += eachLine(token, paint.gray);
    else if (string !== undefined) out += eachLine(token, paint.green);
    else if (/^\d/.test(token)) out += paint.yellow(token);
    else if (lang.keywords.has(token)) out += paint.magenta(token);
    else if (/^[A-Za-z_$]/.test(token) && code[at + token.length] === '(') out += paint.blue(token);
    else out += token;
    at += token.length;
  }
  return out.split('\n');
}

/** A colour must not cross a line break: the lines are wrapped one by one later. */
function eachLine(text: string, style: (text: string) => string): string {
  return text.split('\n').map(style).join('\n');
}

function diffLine(line: string, paint: Paint): string {
  if (line.startsWith('+')) return paint.green(line);
  if (line.startsWith('-')) return paint.red(line);
  return line.startsWith('@@') ? paint.cyan(line) : line;
}
