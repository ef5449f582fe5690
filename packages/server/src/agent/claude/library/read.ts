import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** What a transcript file is about, from its two ends. */
export interface Summary {
  /** False for files without a word of a conversation, and for those of subagents. */
  isConversation: boolean;
  /** The first thing that a user said, on one line. */
  prompt: string;
  /** As the user named it, or as the agent did by itself. */
  title: string | null;
  named: boolean;
  /** The folder that it began in. */
  cwd: string | null;
}

/** So much is read of a file's beginning: the first prompt stands behind 5 KB of other entries, rarely 60. */
const HEAD = 64 * 1024;
/** And so much more, when a first entry is very long (a pasted file, an image). */
const LONG_HEAD = 1024 * 1024;
/** And of its end, where the agent repeats the titles every turn, before 50 KB of what it sent. */
const TAIL = 128 * 1024;
const SHOWN = 200;
/** An entry that is longer than what is read: a prompt with an image, say. */
const CUT_OFF = /^\{.{0,1000}"type":"(user|assistant)","message":\{.{10000}/s;

interface Entry {
  type?: unknown;
  isSidechain?: unknown;
  isMeta?: unknown;
  isCompactSummary?: unknown;
  cwd?: unknown;
  message?: { content?: unknown };
  customTitle?: unknown;
  aiTitle?: unknown;
}

/** Reads the ends of a transcript: at most 1.2 MB, whatever its size. @throws when it cannot be read */
export function summarize(path: string): Summary {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    let head = readAt(file, 0, Math.min(size, HEAD));
    let summary = fromHead(head);
    if (summary.prompt === '' && size > HEAD) {
      head = readAt(file, 0, Math.min(size, LONG_HEAD));
      summary = fromHead(head);
    }
    const tail = size <= HEAD ? head : readAt(file, Math.max(0, size - TAIL), Math.min(size, TAIL));
    const custom = lastOf(tail, 'custom-title', 'customTitle') ?? lastOf(head, 'custom-title', 'customTitle');
    const automatic = lastOf(tail, 'ai-title', 'aiTitle') ?? lastOf(head, 'ai-title', 'aiTitle');
    summary.cwd ??= /"cwd":"((?:[^"\\]|\\.)*)"/.exec(tail)?.[1] ?? null;
    return { ...summary, title: custom ?? automatic ?? null, named: custom !== undefined };
  } finally {
    closeSync(file);
  }
}

function readAt(file: number, from: number, length: number): string {
  const buffer = Buffer.alloc(length);
  let read = 0;
  while (read < length) {
    const bytes = readSync(file, buffer, read, length - read, from + read);
    if (bytes === 0) break;
    read += bytes;
  }
  return buffer.toString('utf8', 0, read);
}

function fromHead(head: string): Summary {
  const summary: Summary = { isConversation: false, prompt: '', title: null, named: false, cwd: null };
  let command = '';
  for (const line of lines(head)) {
    const entry = parse(line);
    if (!entry && CUT_OFF.test(line) && !line.includes('"isSidechain":true')) summary.isConversation = true;
    if (!entry || entry.isSidechain === true) continue;
    if (typeof entry.cwd === 'string') summary.cwd ??= entry.cwd;
    if (entry.type === 'assistant') summary.isConversation = true;
    if (entry.type !== 'user') continue;
    summary.isConversation = true;
    if (entry.isMeta === true || entry.isCompactSummary === true) continue;
    const text = textOf(entry.message?.content);
    const name = /^\s*<command-name>([^<]*)<\/command-name>/.exec(text)?.[1];
    if (name !== undefined) {
      const args = /<command-args>([^<]*)<\/command-args>/.exec(text)?.[1] ?? '';
      command ||= `${name} ${args}`.trim();
    } else if (!text.startsWith('<local-command-')) {
      summary.prompt = text.replace(/\s+/g, ' ').trim().slice(0, SHOWN);
    }
    if (summary.prompt !== '') return summary;
  }
  summary.prompt = command;
  return summary;
}

function* lines(text: string): Generator<string> {
  let from = 0;
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
    yield text.slice(from, end);
    from = end + 1;
  }
  if (from < text.length) yield text.slice(from);
}

/** undefined for half a line, and for one that somebody broke. */
function parse(line: string): Entry | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  const block = content.find((each: { type?: unknown } | null) => each?.type === 'text') as
    | { text?: unknown }
    | undefined;
  return typeof block?.text === 'string' ? block.text : '';
}

function lastOf(text: string, type: string, field: 'customTitle' | 'aiTitle'): string | undefined {
  const at = text.lastIndexOf(`"type":"${type}"`);
  if (at < 0) return undefined;
  const begin = text.lastIndexOf('\n', at) + 1;
  const end = text.indexOf('\n', at);
  const value = parse(text.slice(begin, end < 0 ? undefined : end))?.[field];
  return typeof value === 'string' && value !== '' ? value : undefined;
}
