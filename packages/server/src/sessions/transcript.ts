import type { Agent, TranscriptMessage } from '../agent/agent.ts';
import { problem } from '../errors.ts';
import type { SessionRecord, Store } from '../store/store.ts';
import { readHistory } from './history.ts';
import { parkedSaid } from './parked.ts';

interface Deps {
  store: Store;
  agent: Agent;
}

export interface Ready {
  /** There is a transcript to resume. */
  resume: boolean;
  /** It was gone and has been rebuilt from this many messages of the log. */
  lost: { restored: number } | undefined;
}

/**
 * Makes sure that the agent's transcript exists before a process resumes it. A deleted transcript is rebuilt from the
 * log.
 */
export async function readyTranscript(deps: Deps, record: SessionRecord): Promise<Ready> {
  const { conversationId: id, cwd } = record;
  if (!record.hasTranscript && record.messageCount === 0) return { resume: false, lost: undefined };
  // The record may be behind: a server killed early has not noted the transcript.
  if (await deps.agent.transcript(id)) {
    await complete(deps, record);
    return { resume: true, lost: undefined };
  }
  const { messages: all } = await readHistory(deps, record, { limit: Number.MAX_SAFE_INTEGER, offset: 0 });
  // Messages that a compaction replaced are left out.
  const said = all.slice(
    Math.max(
      0,
      all.findLastIndex(({ is_summary }) => is_summary),
    ),
  );
  const worthTelling = said.filter(({ message }) => !isSynthetic(message));
  if (!record.hasTranscript && !worthTelling.some(({ type }) => type === 'assistant'))
    return { resume: false, lost: undefined };
  if (worthTelling.length > 0) await deps.agent.restore({ id, cwd }, worthTelling);
  return { resume: worthTelling.length > 0, lost: { restored: worthTelling.length } };
}

/** Adds what a node that was killed had in its log and not in the stored transcript. */
async function complete({ store, agent }: Deps, record: SessionRecord): Promise<void> {
  const { id: sessionId, conversationId } = record;
  const turns = await agent.behind({ sessionId, conversationId });
  const said: TranscriptMessage[] = [];
  for (const turnId of turns) {
    const messages = await parkedSaid(store, record, turnId);
    // A prompt alone may have failed before an agent had it.
    if (messages.some(({ type }) => type === 'assistant')) said.push(...messages);
  }
  if (said.length > 0) await agent.complete({ ...record, id: conversationId }, said);
}

/** The agent's own output of a command such as /context, which no model has seen. */
const isSynthetic = (message: unknown): boolean =>
  (message as { model?: unknown } | null)?.model === '<synthetic>';

/** The result of checking a transcript. */
export interface Checked {
  /** Bytes known to be this session's own; undefined without a transcript. */
  seen: number | undefined;
  /** Another program has continued it, and `force` accepts that. */
  diverged: boolean;
}

/**
 * Checks that a conversation is this session's alone: the terminal program or another server may have continued it, or
 * have it open. Two programs that continue one transcript lose each other's messages.
 * @throws AppError 409, unless forced
 */
export async function inspectTranscript(
  { store, agent }: Deps,
  record: SessionRecord,
  { isLive, force }: { isLive: boolean; force: boolean },
): Promise<Checked> {
  if (!record.hasTranscript) return { seen: undefined, diverged: false };
  const { id, conversationId } = record;
  const found = await agent.look(conversationId, record.transcriptSeen, isLive);
  if (!found) return { seen: undefined, diverged: false };
  if (!isLive && found.holder !== undefined && !force) {
    throw problem('conversation_in_use', { id, holder: found.holder });
  }
  const known = await store.knownTurns(id, found.prompts);
  const foreign = found.prompts.find((prompt) => !known.has(prompt));
  if (foreign !== undefined && !force) {
    throw problem('conversation_diverged', { id, message: foreign });
  }
  return { seen: found.size, diverged: foreign !== undefined };
}
