import { firstLines } from '../report.ts';
import type { Step } from '../script.ts';
import {
  type Answerer,
  type Command,
  callOf,
  reportCall,
  type Turn,
  unquote,
  useTool,
  useTools,
} from './command.ts';

const LISTED_LINES = 40;
const READ_LINES = 20;

const list: Command = {
  usage: 'list files [in DIR]',
  does: 'runs `ls` with Bash (or asks Glob where there is no Bash)',
  parse(words) {
    const found =
      /^(?:list|show|ls)(?: me)?(?: all)?(?: (?:of )?the| my)?(?: files?| director(?:y|ies)| folders?)(?: (?:in|of|under|from|at) (.+)| here)?$/i.exec(
        words,
      ) ?? /^(?:ls|dir)(?: (.+))?$/i.exec(words);
    if (!found) return undefined;
    const place =
      found[1] === undefined ? '.' : unquote(found[1].replace(/^the (?!\W)|(?: directory| folder)$/gi, ''));
    return (turn) => listFiles(turn, /^(?:here|this|current|working)?$/i.test(place) ? '.' : place);
  },
};

function listFiles(turn: Turn, place: string): Step {
  const where = place === '.' ? 'the working directory' : place;
  const report = (text: string) =>
    text.trim() === '' ? `There is nothing in ${where}.` : `In ${where}:\n${text}`;
  const shown = ({ text }: { text: string }) => report(firstLines(text, LISTED_LINES));
  if (!turn.conversation.tools.has('Bash') && turn.conversation.tools.has('Glob')) {
    const input = { pattern: '*', path: turn.surroundings.resolve(place) };
    return useTool(turn, { name: 'Glob', input }, shown, `I look for the files in ${where}.`);
  }
  const command = place === '.' ? 'ls' : `ls ${shellQuote(place)}`;
  const input = { command, description: 'List files' };
  return useTool(turn, { name: 'Bash', input }, shown, `I list the files in ${where}.`);
}

/** Safe characters stay as they are, so that `ls src` is asked for as `ls src`. */
function shellQuote(text: string): string {
  return /^[\w@%+=:,./~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

const read: Command = {
  usage: 'read FILE',
  does: 'reads it with Read',
  parse(words) {
    const found =
      /^(?:read|show|open|cat|print|display)(?: me)?(?: the)?(?: contents? of)?(?: the)?(?: file)? (\S.*)$/i.exec(
        words,
      );
    const name = found?.[1];
    if (name === undefined) return undefined;
    return (turn) => {
      const path = unquote(name.replace(/\s+file$/i, ''));
      const input = { file_path: turn.surroundings.resolve(path) };
      return useTool(
        turn,
        { name: 'Read', input },
        ({ text }) => `${path} holds:\n${firstLines(withoutLineNumbers(text), READ_LINES)}`,
        `I read ${path}.`,
      );
    };
  },
};

/** Read puts a number and a tab before each line. */
function withoutLineNumbers(text: string): string {
  return text.replace(/^ *\d+\t/gm, '');
}

/** A file name: quoted with anything in it, or one word. */
const FILE = '(?:"[^"]+"|\'[^\']+\'|`[^`]+`|[^\\s:,]+)';
const WRITE = new RegExp(
  `^(?:write|create|save|make)(?: (?:a|an|the))?(?: new)?(?: file)?(?: (?:called|named))? (${FILE})(?: file)?(?: (?:with|containing|saying)(?: the)?(?: (?:text|contents?|words?|lines?))?:?|:)\\s+([\\s\\S]+)$`,
  'i',
);
const WRITE_TO = new RegExp(
  `^(?:write|save|put) ([\\s\\S]+) (?:to|into|in)(?: (?:a|the))?(?: file)?(?: (?:called|named))? (${FILE})$`,
  'i',
);

const write: Command = {
  verbatim: true,
  usage: 'write FILE with CONTENT (or: write FILE: CONTENT)',
  does: 'writes it with Write, after Read when the file is there already',
  parse(words) {
    const direct = WRITE.exec(words);
    const turned = direct ? null : WRITE_TO.exec(words);
    const name = direct?.[1] ?? turned?.[2];
    const content = direct?.[2] ?? turned?.[1];
    if (name === undefined || content === undefined) return undefined;
    return writeFile(unquote(name), unquote(content));
  },
};

const NOT_READ_YET = /not (?:yet )?been read|read it first/i;

function writeFile(path: string, content: string): Answerer {
  return (turn) => {
    const file_path = turn.surroundings.resolve(path);
    const tool = {
      name: 'Write',
      input: { file_path, content },
    };
    const done = () =>
      `I wrote ${content.length === 1 ? '1 character' : `${content.length} characters`} to ${path}.`;
    const first = callOf(turn, 'Write');
    if (!first) return useTools(turn, [tool], `I write ${path}.`);
    // Claude Code overwrites a file only after it was read in this session.
    if (!first.result?.isError || !NOT_READ_YET.test(first.result.text))
      return { say: reportCall(first, done) };
    const reading = callOf(turn, 'Read');
    if (!reading)
      return useTools(
        turn,
        [{ name: 'Read', input: { file_path } }],
        'It is there already: I read it first.',
      );
    const second = callOf(turn, 'Write', 1);
    if (second) return { say: reportCall(second, done) };
    return reading.result?.isError ? { say: reportCall(reading, done) } : useTools(turn, [tool]);
  };
}

const EDIT = new RegExp(
  `^(?:edit|change|update|in)(?: the)?(?: file)? (${FILE})[:,]?(?: and| by| to)? (?:replac|chang|turn)(?:e|ing|) ([\\s\\S]+?) (?:with|by|to|into) ([\\s\\S]+)$`,
  'i',
);
const REPLACE_IN = new RegExp(
  `^(?:replace|change) ([\\s\\S]+?) (?:with|by|to|into) ([\\s\\S]+) in(?: the)?(?: file)? (${FILE})$`,
  'i',
);

const edit: Command = {
  verbatim: true,
  usage: 'edit FILE: replace A with B',
  does: 'reads the file with Read, then changes it with Edit',
  parse(words) {
    const direct = EDIT.exec(words);
    const turned = direct ? null : REPLACE_IN.exec(words);
    const [name, before, after] = direct ? direct.slice(1) : turned ? [turned[3], turned[1], turned[2]] : [];
    if (name === undefined || before === undefined || after === undefined) return undefined;
    return editFile(unquote(name), unquote(before), unquote(after));
  },
};

function editFile(path: string, old_string: string, new_string: string): Answerer {
  return (turn) => {
    const file_path = turn.surroundings.resolve(path);
    const reading = callOf(turn, 'Read');
    if (!reading)
      return useTools(turn, [{ name: 'Read', input: { file_path } }], `I read ${path} before I change it.`);
    if (reading.result?.isError) return { say: reportCall(reading, () => '') };
    const tool = { name: 'Edit', input: { file_path, old_string, new_string } };
    return useTool(
      turn,
      tool,
      () => `In ${path}, "${old_string}" is now "${new_string}".`,
      `Now I edit ${path}.`,
    );
  };
}

export const fileCommands: readonly Command[] = [list, read, write, edit];
