import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { appendFile, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { PermissionMode } from 'claude-agent-protocol';
import { z } from 'zod';
import type { ParkedCall, TranscriptMessage } from '../agent.ts';
import { APPEND_PLAIN, READ_PLAIN, WRITE_PLAIN } from '../plain-file.ts';
import { linesFromEnd } from './transcript-file.ts';

/**
 * A tool call can wait for a permission without its process. A plain resume makes the agent forget the call. With one
 * more entry after it in the transcript, the one that a PreToolUse hook leaves when it answers `defer`, the agent asks
 * again: for the same call, under the same id, once. The agent writes its transcript up to 100 ms late, so anything a
 * killed process did not write comes from the session's log. This is the agent's internal format, measured on 2.1.330,
 * and known only here. `test/parking-format.test.ts` runs the real binary and fails if a new one differs. Calls of an
 * agent of another minor version are not parked.
 */
const KNOWN_VERSION = /^2\.1\.\d+$/;

/** The agent version that the SDK ships; read once, as every start of a process needs it. */
export const AGENT_VERSION = readAgentVersion();

function readAgentVersion(): string {
  const entry = createRequire(import.meta.url).resolve('@anthropic-ai/claude-agent-sdk');
  const manifest = z
    .object({ claudeCodeVersion: z.string() })
    .safeParse(JSON.parse(readFileSync(join(dirname(entry), 'package.json'), 'utf8')));
  return manifest.data?.claudeCodeVersion ?? 'unknown';
}

/** Whether calls can be parked at all: whether the agent's format is known here. */
export const knowsFormat = (version: string): boolean => KNOWN_VERSION.test(version);

/**
 * Whether a call can be parked: the agent's format is known, the call is the only one of the turn's last answer, and it
 * has no result. Of several calls in one answer, the agent would ask again for the last and lose the others.
 * @param said the messages of the call's turn, as logged
 */
export function isParkable(
  version: string,
  toolUseId: string,
  said: readonly Pick<TranscriptMessage, 'type' | 'message'>[],
): boolean {
  if (!knowsFormat(version)) return false;
  const last = said.at(-1);
  if (last?.type !== 'assistant') return false;
  const answer = messageId(last.message);
  const calls = said
    .filter(({ type, message }) => type === 'assistant' && messageId(message) === answer)
    .flatMap(({ message }) => callsOf(message));
  return calls.length === 1 && calls[0]?.id === toolUseId;
}

/** The fields of an entry that matter here. */
const Entry = z.looseObject({
  type: z.string(),
  uuid: z.string().optional(),
  isSidechain: z.boolean().optional(),
  attachment: z.looseObject({ type: z.string(), source_uuid: z.string().optional() }).optional(),
});

interface Tail {
  /** The turn's messages that are in the transcript. */
  written: Set<string>;
  /** The parent of the next entry; null in an empty transcript. */
  last: string | null;
  /** The entry that makes the agent ask again is already there. */
  isMarked: boolean;
  /** Behind the turn's last entry stand others of the conversation. */
  goesOn: boolean;
  endsInLine: boolean;
}

/**
 * Makes the agent ask for a call again when it resumes: adds the messages of the turn that a killed process did not
 * write to the transcript, and marks the call. Idempotent. Without a call the messages are all that is added: a resume
 * makes the agent forget a call that has no result.
 * @throws when the transcript cannot be read or written
 */
export async function markDeferred(
  path: string,
  conversation: { id: string; cwd: string; permissionMode: PermissionMode },
  { toolUseId, said }: { toolUseId: string | undefined; said: ParkedCall['said'] },
): Promise<void> {
  const call = said.at(-1)?.uuid ?? '';
  let tail = await readTail(path, toolUseId, said);
  if (toolUseId !== undefined && tail.goesOn && tail.written.has(call)) {
    await cutBehind(path, call);
    tail = await readTail(path, toolUseId, said);
  }
  if (tail.isMarked) return;
  const entries: Record<string, unknown>[] = [];
  let parentUuid = tail.last;
  const append = (uuid: string, entry: Record<string, unknown>): void => {
    entries.push({
      parentUuid,
      isSidechain: false,
      userType: 'external',
      entrypoint: 'sdk-ts',
      cwd: conversation.cwd,
      sessionId: conversation.id,
      version: AGENT_VERSION,
      timestamp: new Date().toISOString(),
      uuid,
      ...entry,
    });
    parentUuid = uuid;
  };
  for (const { uuid, type, message } of said) if (!tail.written.has(uuid)) append(uuid, { type, message });
  if (toolUseId !== undefined) append(randomUUID(), deferral(toolUseId, said, conversation.permissionMode));
  // A process killed while writing may have left half a line.
  const start = tail.endsInLine ? '' : '\n';
  await appendFile(path, start + entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''), {
    flag: APPEND_PLAIN,
  });
}

/** The entry that makes the agent ask again. */
function deferral(
  toolUseId: string,
  said: ParkedCall['said'],
  permissionMode: PermissionMode,
): Record<string, unknown> {
  const waiting = said.flatMap(({ message }) => callsOf(message)).find(({ id }) => id === toolUseId);
  return {
    type: 'attachment',
    attachment: {
      type: 'hook_deferred_tool',
      toolUseID: toolUseId,
      toolName: waiting?.name,
      toolInput: waiting?.input,
      hookName: 'settings',
      hookEvent: 'PreToolUse',
      permissionMode,
    },
  };
}

/**
 * Takes away what stands behind an entry. An agent whose server dies is not dead yet: it answers the call itself
 * ("stream closed"), and even asks its model to go on, for the 0.3 s until it is ended. None of that is in the log.
 */
async function cutBehind(path: string, uuid: string): Promise<void> {
  const text = await readFile(path, { encoding: 'utf8', flag: READ_PLAIN });
  const at = text.lastIndexOf(`"uuid":"${uuid}"`);
  const end = text.indexOf('\n', at);
  if (at < 0 || end < 0) return;
  const file = await open(path, WRITE_PLAIN);
  try {
    await file.truncate(Buffer.byteLength(text.slice(0, end + 1)));
  } finally {
    await file.close();
  }
}

const NEWLINE = 10;

/**
 * Reads backwards to the turn's prompt. A turn that has been parked before also has prompts of the agent's own in between
 * ("Continue from where you left off.").
 */
async function readTail(
  path: string,
  toolUseId: string | undefined,
  said: ParkedCall['said'],
): Promise<Tail> {
  const turn = new Set(said.map(({ uuid }) => uuid));
  const [prompt, call] = [said[0]?.uuid, said.at(-1)?.uuid ?? ''];
  const file = await open(path, READ_PLAIN);
  try {
    const { size } = await file.stat();
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, Math.max(0, size - 1));
    const tail: Tail = {
      written: new Set(),
      last: null,
      isMarked: false,
      goesOn: false,
      endsInLine: size === 0 || buffer[0] === NEWLINE,
    };
    for await (const line of linesFromEnd(file)) {
      const { data: entry } = Entry.safeParse(parse(line));
      if (!entry || entry.isSidechain || entry.uuid === undefined) continue;
      tail.last ??= entry.uuid;
      if (entry.attachment?.type === 'hook_deferred_tool')
        tail.isMarked ||= entry.attachment.toolUseID === toolUseId;
      // A prompt that the agent took from its queue during a turn of its own is an attachment.
      const id = (entry.attachment?.type === 'queued_command' && entry.attachment.source_uuid) || entry.uuid;
      if (turn.has(id)) tail.written.add(id);
      else if (isSpoken(entry) && !tail.written.has(call)) tail.goesOn = true;
      if (tail.written.size === turn.size || id === prompt) break;
    }
    return tail;
  } finally {
    await file.close();
  }
}

const isSpoken = ({ type }: z.output<typeof Entry>): boolean => type === 'user' || type === 'assistant';

/**
 * Takes the mark of a call away that no process has asked for again, because its turn has ended: the next process would
 * go on with that turn by itself.
 * @throws when the transcript cannot be read or written
 */
export async function unmark(path: string): Promise<void> {
  const mark = await lastMark(path);
  if (mark === undefined) return;
  const text = await readFile(path, { encoding: 'utf8', flag: READ_PLAIN });
  const at = text.lastIndexOf(mark);
  // Renamed, so that a crash in between loses nothing.
  const next = `${path}.tmp`;
  await rm(next, { force: true });
  const kept = text.slice(0, at) + text.slice(at + mark.length + 1);
  await writeFile(next, kept, { flag: 'wx', mode: 0o600 });
  await rename(next, path);
}

/** The line of a mark with nothing behind it. */
async function lastMark(path: string): Promise<string | undefined> {
  const file = await open(path, READ_PLAIN);
  try {
    for await (const line of linesFromEnd(file)) {
      const { data: entry } = Entry.safeParse(parse(line));
      if (!entry || entry.isSidechain) continue;
      if (entry.attachment?.type === 'hook_deferred_tool') return line;
      if (isSpoken(entry)) return undefined;
    }
    return undefined;
  } finally {
    await file.close();
  }
}

interface ToolUse {
  id: unknown;
  name: unknown;
  input: unknown;
}

function callsOf(message: unknown): ToolUse[] {
  const { content } = (message ?? {}) as { content?: unknown };
  const blocks = (Array.isArray(content) ? content : []) as ({ type?: unknown } & ToolUse)[];
  return blocks.filter(({ type }) => type === 'tool_use');
}

const messageId = (message: unknown): unknown => (message as { id?: unknown } | null)?.id;

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
