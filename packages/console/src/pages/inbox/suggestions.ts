import { suggestionTexts as texts } from '../../text/inbox.ts';

/** What a suggestion of the agent does, and for how long. */
export interface Explained {
  what: string;
  where: string;
}

type Json = Record<string, unknown>;

const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const textsIn = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
const list = (items: readonly string[]): string => new Intl.ListFormat(undefined).format(items);

/** The agent's suggestions in plain words: what "always" would change, and where that is kept. */
export function explainSuggestions(suggestions: readonly unknown[]): Explained[] {
  return suggestions.flatMap((given) => {
    if (!isJson(given)) return [{ what: texts.unknown, where: '' }];
    const where = texts.where[String(given.destination)] ?? '';
    return effectsOf(given).map((what) => ({ what, where }));
  });
}

function effectsOf(given: Json): string[] {
  switch (given.type) {
    case 'addRules':
    case 'replaceRules':
      return rulesIn(given).map((rule) => behaviourOf(given.behavior)(rule));
    case 'removeRules':
      return rulesIn(given).map(texts.no_longer);
    case 'setMode': {
      const mode = String(given.mode);
      return [texts.mode[mode] ?? texts.otherMode(mode)];
    }
    case 'addDirectories':
      return [texts.directories(list(textsIn(given.directories)))];
    case 'removeDirectories':
      return [texts.noDirectories(list(textsIn(given.directories)))];
    default:
      return [texts.unknown];
  }
}

function behaviourOf(behaviour: unknown): (what: string) => string {
  if (behaviour === 'deny') return texts.deny;
  return behaviour === 'ask' ? texts.ask : texts.allow;
}

const rulesIn = ({ rules }: Json): string[] =>
  (Array.isArray(rules) ? rules : []).filter(isJson).map(({ toolName, ruleContent }) => {
    const rule = typeof ruleContent === 'string' && ruleContent !== '' ? ruleContent : undefined;
    return wordsOf(String(toolName), rule);
  });

function wordsOf(tool: string, rule: string | undefined): string {
  const [, server, name] = /^mcp__(.+?)(?:__(.+))?$/.exec(tool) ?? [];
  if (server !== undefined) {
    return name === undefined || name === '*' ? texts.mcpServer(server) : texts.mcpTool(name, server);
  }
  if (rule === undefined) return texts.everyUse(tool);
  if (tool !== 'Bash') return /^[~/.*]/.test(rule) ? texts.file(tool, rule) : texts.rule(tool, rule);
  const prefix = /^(.*?)(?::\*|\s\*)$/s.exec(rule)?.[1];
  return prefix === undefined ? texts.bash(rule) : texts.bashPrefix(prefix);
}
