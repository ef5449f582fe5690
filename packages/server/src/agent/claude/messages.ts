import type { Query } from '@anthropic-ai/claude-agent-sdk';
import type { AgentEvents, AgentMessage, StartOptions, TurnEnd } from '../agent.ts';
import { blockedBy, createOwnTurns } from './own-turns.ts';
import { classify, type ResultMessage, type ResultReader, takenUp } from './results.ts';

/**
 * Reads the messages of a process until it ends, and dispatches them.
 * @param continued the turn of an earlier process that this one continues: its first messages belong to that turn
 */
export async function readMessages(
  sdk: Query,
  events: AgentEvents,
  readResult: ResultReader,
  see: (message: AgentMessage) => void,
  continued: string | undefined,
): Promise<void> {
  const own = createOwnTurns(events);
  try {
    await readAll(sdk, events, readResult, see, own, continued);
  } finally {
    own.end();
  }
}

async function readAll(
  sdk: Query,
  events: AgentEvents,
  readResult: ResultReader,
  see: (message: AgentMessage) => void,
  own: ReturnType<typeof createOwnTurns>,
  continued: string | undefined,
): Promise<void> {
  /** The agent continues a turn under its own message ("Continue from where you left off."). */
  let continuedAs: string | undefined;
  const turnOf = (uuid: string | undefined): string | undefined => {
    if (uuid !== undefined && continued !== undefined) continuedAs ??= uuid;
    return uuid === continuedAs ? continued : uuid;
  };
  const endOf = async (message: ResultMessage): Promise<TurnEnd> => {
    const end = await readResult(message);
    // The first result ends the continued turn; the agent names no message for it.
    const turnId = continued ?? end.turnId;
    continued = undefined;
    return { ...end, turnId };
  };
  /** The reason of the hook that refused the message, if one did. */
  let blocked: TurnEnd['error'] = null;
  /** Why the agent started a new conversation, once it has said so. */
  let trigger: string | undefined;
  /** Ids of dispatched messages. Compaction sends what it keeps again, under the same ids. */
  const known = new Set<unknown>();
  for await (const sdkMessage of sdk) {
    const message = sdkMessage as unknown as AgentMessage;
    if (message.type === 'conversation_reset') trigger = String(message.trigger ?? 'reset');
    if (message.type === 'system' && message.subtype === 'init') {
      // `new_conversation_id` of the reset is a different id (measured): the transcript has the id of the next `init`.
      events.onConversation(String(message.session_id), trigger ?? 'reset');
      trigger = undefined;
    }
    if (message.type === 'system' && (message.subtype === 'status' || message.subtype === 'init')) {
      const { permissionMode } = sdkMessage as { permissionMode?: StartOptions['permissionMode'] };
      if (permissionMode) events.onPermissionMode(permissionMode);
    }
    if (message.type === 'user' || message.type === 'assistant') {
      if (known.has(message.uuid)) continue;
      if (message.uuid !== undefined) known.add(message.uuid);
    }
    // A repeated message costs nothing.
    see(message);
    // A resumed process did not send the messages that it keeps, but the session has them.
    for (const uuid of preserved(message)) known.add(uuid);
    const taken = turnOf(takenUp(message));
    if (taken !== undefined) events.onTaken(taken);
    own.observe(message, taken !== undefined);
    blocked = blockedBy(message) ?? blocked;
    switch (classify(message)) {
      case 'keep': {
        const end = message.type === 'result' ? await endOf(message as unknown as ResultMessage) : undefined;
        events.onMessage(message, end && blocked ? { ...end, isError: true, error: blocked } : end);
        if (end) blocked = null;
        break;
      }
      case 'show':
        events.onDelta(message);
        break;
    }
  }
}

/** Ids of the messages that a compaction keeps unchanged. */
function preserved(message: AgentMessage): unknown[] {
  if (message.type !== 'system' || message.subtype !== 'compact_boundary') return [];
  const { compact_metadata: metadata } = message as {
    compact_metadata?: { preserved_messages?: { all_uuids?: unknown[] } };
  };
  return metadata?.preserved_messages?.all_uuids ?? [];
}
