import type { Agent } from '../agent/agent.ts';
import { problem } from '../errors.ts';
import type { SessionRecord, Store } from '../store/store.ts';
import { readHistory } from './history.ts';

interface Deps {
  store: Store;
  agent: Agent;
}

export interface Ready {
  /** There is a transcript to go on with. */
  resume: boolean;
  /** It was gone; so many messages of the log stand in its place. */
  lost: { restored: number } | undefined;
}

/**
 * Looks whether the agent's transcript is there before a process is to resume it. One that is gone (somebody deleted
 * it, a cleanup did) is written anew from the log.
 */
export async function readyTranscript(deps: Deps, record: SessionRecord): Promise<Ready> {
  const { conversationId: id, cwd } = record;
  if (!record.hasTranscript && record.messageCount === 0) return { resume: false, lost: undefined };
  // A server that was killed early may not know of a transcript that is there.
  if (await deps.agent.transcript(id)) return { resume: true, lost: undefined };
  const { messages: all } = await readHistory(deps, record, { limit: Number.MAX_SAFE_INTEGER, offset: 0 });
  // What a compaction replaced is not told again.
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

/** The agent's own words on a command like /context: no model ever saw them. */
const isSynthetic = (message: unknown): boolean =>
  (message as { model?: unknown } | null)?.model === '<synthetic>';

/** What a look at a transcript came to. */
export interface Checked {
  /** How much of it is known now; undefined when there is none. */
  seen: number | undefined;
  /** Somebody else has gone on with it, and `force` lets that be. */
  diverged: boolean;
}

/**
 * Looks whether a conversation is this session's alone: the terminal program, or another server, may have gone on with
 * it meanwhile, or have it open. Two that go on with one transcript each lose what the other said.
 * @throws AppError 409, unless forced
 */
export async function checkUndivided(
  { store, agent }: Deps,
  record: SessionRecord,
  { isLive, force }: { isLive: boolean; force: boolean },
): Promise<Checked> {
  if (!record.hasTranscript) return { seen: undefined, diverged: false };
  const { id, conversationId } = record;
  const found = await agent.look(conversationId, record.transcriptSeen);
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
