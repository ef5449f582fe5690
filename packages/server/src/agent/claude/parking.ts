import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { appendFile, open } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { PermissionMode } from 'claude-agent-protocol';
import { z } from 'zod';
import type { ParkedCall, TranscriptMessage } from '../agent.ts';
import { linesFromEnd } from './transcript-file.ts';

/**
 * A tool call that waits for a permission can do without its process. Resumed as it is, the agent forgets the call. With
 * one more entry behind it in the transcript, the one that a PreToolUse hook leaves which answers `defer`, it asks again:
 * the same call, under the same id, once. The agent writes its transcript up to 100 ms late, so what a killed process
 * did not write comes from the session's log. All of that is the agent's own format, measured on 2.1.330; this file
 * alone knows it. `test/parking-format.test.ts` runs the real binary and fails when a new one differs, and an agent of
 * another minor version is not trusted with it: its calls are not parked.
 */
const KNOWN_VERSION = /^2\.1\.\d+$/;

/** The version of the agent that the SDK brings along. */
export function agentVersion(): string {
  const entry = createRequire(import.meta.url).resolve('@anthropic-ai/claude-agent-sdk');
  const manifest = z
    .object({ claudeCodeVersion: z.string() })
    .safeParse(JSON.parse(readFileSync(join(dirname(entry), 'package.json'), 'utf8')));
  return manifest.data?.claudeCodeVersion ?? 'unknown';
}

/**
 * Whether a call can be parked: the agent's format is known, and the call is the only one of the turn's last answer, and
 * is not answered. Of several calls of one answer, the agent would ask for the last again and lose the others.
 * @param said what was said in the call's turn, by the log
 */
export function isParkable(
  version: string,
  toolUseId: string,
  said: readonly Pick<TranscriptMessage, 'type' | 'message'>[],
): boolean {
  if (!KNOWN_VERSION.test(version)) return false;
  const last = said.at(-1);
  if (last?.type !== 'assistant') return false;
  const answer = messageId(last.message);
  const calls = said
    .filter(({ type, message }) => type === 'assistant' && messageId(message) === answer)
    .flatMap(({ message }) => callsOf(message));
  return calls.length === 1 && calls[0]?.id === toolUseId;
}

/** What is wanted of an entry; the rest of it is the agent's affair. */
const Entry = z.looseObject({
  type: z.string(),
  uuid: z.string().optional(),
  isSidechain: z.boolean().optional(),
  attachment: z.looseObject({ type: z.string() }).optional(),
});

interface Tail {
  /** What was said in the turn and is in the transcript. */
  written: Set<string>;
  /** What the next entry follows on; null in an empty transcript. */
  last: string | null;
  /** The entry that makes the agent ask again is there already. */
  isMarked: boolean;
  endsInLine: boolean;
}

/**
 * Makes the agent ask for a call again when it resumes: completes the transcript with what a killed process did not
 * write of the turn, and marks the call. Does nothing that was done before.
 * @throws when the transcript cannot be read or written
 */
export async function markDeferred(
  path: string,
  conversation: { id: string; cwd: string; permissionMode: PermissionMode },
  { toolUseId, said }: Pick<ParkedCall, 'toolUseId' | 'said'>,
): Promise<void> {
  const tail = await readTail(path, toolUseId, new Set(said.map(({ uuid }) => uuid)));
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
      version: agentVersion(),
      timestamp: new Date().toISOString(),
      uuid,
      ...entry,
    });
    parentUuid = uuid;
  };
  for (const { uuid, type, message } of said) if (!tail.written.has(uuid)) append(uuid, { type, message });
  const call = said.flatMap(({ message }) => callsOf(message)).find(({ id }) => id === toolUseId);
  append(randomUUID(), {
    type: 'attachment',
    attachment: {
      type: 'hook_deferred_tool',
      toolUseID: toolUseId,
      toolName: call?.name,
      toolInput: call?.input,
      hookName: 'settings',
      hookEvent: 'PreToolUse',
      permissionMode: conversation.permissionMode,
    },
  });
  // A process that was killed while it wrote may have left half a line.
  const start = tail.endsInLine ? '' : '\n';
  await appendFile(path, start + entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
}

const NEWLINE = 10;

/** Reads back as far as the turn goes. */
async function readTail(path: string, toolUseId: string, turn: ReadonlySet<string>): Promise<Tail> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, Math.max(0, size - 1));
    const tail: Tail = {
      written: new Set(),
      last: null,
      isMarked: false,
      endsInLine: size === 0 || buffer[0] === NEWLINE,
    };
    for await (const line of linesFromEnd(file)) {
      const { data: entry } = Entry.safeParse(parse(line));
      if (!entry || entry.isSidechain || entry.uuid === undefined) continue;
      tail.last ??= entry.uuid;
      if (entry.attachment?.type === 'hook_deferred_tool')
        tail.isMarked ||= entry.attachment.toolUseID === toolUseId;
      if (turn.has(entry.uuid)) tail.written.add(entry.uuid);
      // The turn's entries stand together: behind the first prompt that is not of it, there are none.
      else if (entry.type === 'user') break;
    }
    return tail;
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
