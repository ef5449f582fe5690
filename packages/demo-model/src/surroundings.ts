import { posix, win32 } from 'node:path';
import type { ContentBlock, MessagesRequest } from './conversation.ts';

/** What Claude Code tells the model about the place it works in. Read only when a command needs it. */
export interface Surroundings {
  /** Makes a relative path absolute: Read, Write and Edit accept nothing else. */
  resolve(path: string): string;
  planMode: boolean;
  /** The one file that may be written in plan mode; its text is what the user is asked to approve. */
  planFile: string | undefined;
  /** Tools that must be loaded with ToolSearch before they can be called. */
  deferredTools: ReadonlySet<string>;
}

const WORKING_DIRECTORY = /(?:working directory|cwd):\s*(\/[^\n]*|[A-Za-z]:\\[^\n]*)/gi;
const PLAN_MODE = /(Plan mode (?:is|still) active)|(Exited Plan Mode)/gi;
const PLAN_FILE = /plan (?:at|exists at|file at|file already exists at|file exists at) (\S[^\n]*?\.md)/gi;
const DEFERRED_TOOLS = /deferred tools are now available via ToolSearch\.[^\n]*:\n((?:[\w-]+(?:\n|$))+)/g;

/** Reads the environment notes, which stand in the system prompt, in system messages or in reminders. */
export function readSurroundings(request: MessagesRequest): Surroundings {
  let directory: string | undefined;
  let planMode = false;
  let planFile: string | undefined;
  const deferredTools = new Set<string>();
  for (const note of notesOf(request)) {
    for (const [, found] of note.matchAll(WORKING_DIRECTORY)) directory = found?.trim();
    for (const [, entered] of note.matchAll(PLAN_MODE)) planMode = entered !== undefined;
    for (const [, found] of note.matchAll(PLAN_FILE)) planFile = found;
    for (const [, names] of note.matchAll(DEFERRED_TOOLS)) {
      for (const name of names?.trim().split('\n') ?? []) deferredTools.add(name);
    }
  }
  const path = directory && /^[A-Za-z]:/.test(directory) ? win32 : posix;
  return {
    resolve: (name) => (directory && !path.isAbsolute(name) ? path.resolve(directory, name) : name),
    planMode,
    planFile,
    deferredTools,
  };
}

/** Everything that neither a human nor a tool wrote, oldest first. */
function* notesOf(request: MessagesRequest): Generator<string> {
  yield* textsIn(request.system);
  for (const message of request.messages) {
    if (message.role === 'system') yield* textsIn(message.content);
    else if (message.role === 'user') {
      for (const text of textsIn(message.content)) {
        for (const [reminder] of text.matchAll(/<system-reminder>[\s\S]*?<\/system-reminder>/g))
          yield reminder;
      }
    }
  }
}

function* textsIn(content: unknown): Generator<string> {
  if (typeof content === 'string') yield content;
  else if (Array.isArray(content)) {
    for (const block of content as ContentBlock[]) {
      if (typeof block.text === 'string') yield block.text;
      else if (block.type === 'tool_result') yield* textsIn(block.content);
    }
  }
}
