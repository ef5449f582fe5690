import { createCssVariablesTheme, createHighlighterCore, type HighlighterCore } from 'shiki/core';
import { createJavaScriptRegexEngine } from 'shiki/engine/javascript';

/** A piece of a line with its colour, a CSS variable of ours; undefined for plain text. */
export interface ColouredText {
  text: string;
  color: string | undefined;
}

const GRAMMARS = {
  typescript: () => import('@shikijs/langs/typescript'),
  tsx: () => import('@shikijs/langs/tsx'),
  javascript: () => import('@shikijs/langs/javascript'),
  json: () => import('@shikijs/langs/json'),
  python: () => import('@shikijs/langs/python'),
  shellscript: () => import('@shikijs/langs/shellscript'),
  go: () => import('@shikijs/langs/go'),
  rust: () => import('@shikijs/langs/rust'),
  java: () => import('@shikijs/langs/java'),
  c: () => import('@shikijs/langs/c'),
  php: () => import('@shikijs/langs/php'),
  csharp: () => import('@shikijs/langs/csharp'),
  kotlin: () => import('@shikijs/langs/kotlin'),
  swift: () => import('@shikijs/langs/swift'),
  html: () => import('@shikijs/langs/html'),
  css: () => import('@shikijs/langs/css'),
  sql: () => import('@shikijs/langs/sql'),
  yaml: () => import('@shikijs/langs/yaml'),
  toml: () => import('@shikijs/langs/toml'),
  markdown: () => import('@shikijs/langs/markdown'),
  docker: () => import('@shikijs/langs/docker'),
  diff: () => import('@shikijs/langs/diff'),
} as const;
type Grammar = keyof typeof GRAMMARS;

/** Names in a code block, and ends of file names, by the grammar that reads them. */
const NAMES: Readonly<Record<string, Grammar>> = {
  ts: 'typescript',
  mts: 'typescript',
  cts: 'typescript',
  js: 'javascript',
  mjs: 'javascript',
  cjs: 'javascript',
  jsx: 'tsx',
  jsonc: 'json',
  jsonl: 'json',
  py: 'python',
  sh: 'shellscript',
  bash: 'shellscript',
  zsh: 'shellscript',
  shell: 'shellscript',
  console: 'shellscript',
  rs: 'rust',
  h: 'c',
  cpp: 'c',
  cc: 'c',
  'c++': 'c',
  cs: 'csharp',
  kt: 'kotlin',
  htm: 'html',
  xml: 'html',
  svg: 'html',
  vue: 'html',
  scss: 'css',
  yml: 'yaml',
  md: 'markdown',
  dockerfile: 'docker',
  patch: 'diff',
};

/** More than this stays plain: colouring it would hold up the page (about 1 ms for 1,000 characters). */
const MOST_CHARACTERS = 30_000;

/** The grammar for a language's name or a file; undefined when there is none. */
function grammarFor(languageOrFile: string): Grammar | undefined {
  const name = (/[^./\\]+$/.exec(languageOrFile)?.[0] ?? '').toLowerCase();
  return name in GRAMMARS ? (name as Grammar) : NAMES[name];
}

export interface Highlighter {
  /** The lines of a text, coloured; undefined when they stay plain. */
  lines(code: string, languageOrFile: string): Promise<ColouredText[][] | undefined>;
}

/** Colours code by TextMate grammars, which are loaded when they are needed. No WebAssembly: the page may not run it. */
function createCodeHighlighter(): Highlighter {
  const theme = createCssVariablesTheme({ name: 'console', variablePrefix: '--code-', fontStyle: false });
  let core: Promise<HighlighterCore> | undefined;
  const loaded = new Map<Grammar, Promise<void>>();
  const load = async (grammar: Grammar): Promise<HighlighterCore> => {
    core ??= createHighlighterCore({
      themes: [theme],
      langs: [],
      engine: createJavaScriptRegexEngine({ forgiving: true }),
    });
    const highlighter = await core;
    const loading =
      loaded.get(grammar) ?? GRAMMARS[grammar]().then((module) => highlighter.loadLanguage(module.default));
    loaded.set(grammar, loading);
    await loading;
    return highlighter;
  };
  return {
    async lines(code, languageOrFile) {
      const grammar = grammarFor(languageOrFile);
      if (grammar === undefined || code.length > MOST_CHARACTERS) return undefined;
      const highlighter = await load(grammar);
      const { tokens } = highlighter.codeToTokens(code, { lang: grammar, theme: 'console' });
      return tokens.map((line) => line.map(({ content, color }) => ({ text: content, color })));
    },
  };
}

/** One for the page: each grammar is read once. */
export const highlighter: Highlighter = createCodeHighlighter();
