import type { Query } from '@anthropic-ai/claude-agent-sdk';
import type { AgentEvents, AgentMessage, StartOptions, TurnEnd } from '../agent.ts';
import { blockedBy, createOwnTurns } from './own-turns.ts';
import { fate, type ResultMessage, type ResultReader, takenUp } from './results.ts';

/**
 * Reads what a process says until it ends, and passes it on.
 * @param continued the turn of an earlier process that this one goes on with: the first thing that it does is of that turn
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
  /** The agent goes on with a turn under a message of its own ("Continue from where you left off."). */
  let continuedAs: string | undefined;
  const turnOf = (uuid: string | undefined): string | undefined => {
    if (uuid !== undefined && continued !== undefined) continuedAs ??= uuid;
    return uuid === continuedAs ? continued : uuid;
  };
  const endOf = async (message: ResultMessage): Promise<TurnEnd> => {
    const end = await readResult(message);
    // The first end is that of the turn that goes on; the agent names no message for it.
    const turnId = continued ?? end.turnId;
    continued = undefined;
    return { ...end, turnId };
  };
  /** Why a hook refused the message, when one did. */
  let blocked: TurnEnd['error'] = null;
  /** What the conversation was left for, when the agent has said so. */
  let trigger: string | undefined;
  /** Ids of what was passed on. Compaction sends what it keeps once more, under the same ids. */
  const known = new Set<unknown>();
  for await (const sdkMessage of sdk) {
    const message = sdkMessage as unknown as AgentMessage;
    if (message.type === 'conversation_reset') trigger = String(message.trigger ?? 'reset');
    if (message.type === 'system' && message.subtype === 'init') {
      // `new_conversation_id` of the reset is another id (measured): the transcript has the one of the next `init`.
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
    // What is said again costs nothing again.
    see(message);
    // A resumed process did not say itself what it keeps: the session has it all the same.
    for (const uuid of preserved(message)) known.add(uuid);
    const taken = turnOf(takenUp(message));
    if (taken !== undefined) events.onTaken(taken);
    own.observe(message, taken !== undefined);
    blocked = blockedBy(message) ?? blocked;
    switch (fate(message)) {
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

/** Ids of the messages that a compaction keeps as they are. */
function preserved(message: AgentMessage): unknown[] {
  if (message.type !== 'system' || message.subtype !== 'compact_boundary') return [];
  const { compact_metadata: metadata } = message as {
    compact_metadata?: { preserved_messages?: { all_uuids?: unknown[] } };
  };
  return metadata?.preserved_messages?.all_uuids ?? [];
}
