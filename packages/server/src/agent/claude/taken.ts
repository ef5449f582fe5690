import { open } from 'node:fs/promises';
import { z } from 'zod';
import { READ_PLAIN } from '../plain-file.ts';
import { findTranscript, linesFromEnd } from './transcript-file.ts';

/**
 * How a transcript shows that the agent has taken a message, measured on 2.1.330: a prompt has the id under which it was
 * sent; a message that went into a running turn is an attachment that names this id. Written within 0.1 s; a process whose
 * server was killed lives for 0.3 s.
 */
const Entry = z.looseObject({
  type: z.string(),
  uuid: z.string().optional(),
  attachment: z.looseObject({ type: z.string(), source_uuid: z.string().optional() }).optional(),
});

/**
 * Those of these messages that the agent has taken, by its transcript.
 * @param projects the agent's folder of transcript folders
 */
export async function takenFrom(
  projects: string,
  conversationId: string,
  messageIds: readonly string[],
): Promise<string[]> {
  const path = await findTranscript(projects, conversationId);
  if (path === undefined) return [];
  const wanted = new Set(messageIds);
  const file = await open(path, READ_PLAIN);
  try {
    for await (const line of linesFromEnd(file)) {
      const id = messageOf(line, wanted);
      if (id !== undefined) wanted.delete(id);
      if (wanted.size === 0) break;
    }
  } finally {
    await file.close();
  }
  return messageIds.filter((id) => !wanted.has(id));
}

/** The wanted message that a line shows as taken. */
function messageOf(line: string, wanted: ReadonlySet<string>): string | undefined {
  // Parsing is slow, and most lines name none of them.
  if (![...wanted].some((id) => line.includes(id))) return undefined;
  const { data: entry } = Entry.safeParse(parse(line));
  if (entry?.type === 'user' && wanted.has(entry.uuid ?? '')) return entry.uuid;
  const { attachment } = entry ?? {};
  return attachment?.type === 'queued_command' && wanted.has(attachment.source_uuid ?? '')
    ? attachment.source_uuid
    : undefined;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
