import type { Query } from '@anthropic-ai/claude-agent-sdk';
import type { AgentEvents, AgentMessage, StartOptions } from '../agent.ts';
import { fate, type ResultMessage, type ResultReader, takenUp } from './results.ts';

/** Reads what a process says until it ends, and passes it on. */
export async function readMessages(sdk: Query, events: AgentEvents, readResult: ResultReader): Promise<void> {
  /** What the conversation was left for, when the agent has said so. */
  let trigger: string | undefined;
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
    const taken = takenUp(message);
    if (taken !== undefined) events.onTaken(taken);
    switch (fate(message)) {
      case 'keep':
        events.onMessage(
          message,
          message.type === 'result' ? await readResult(message as unknown as ResultMessage) : undefined,
        );
        break;
      case 'show':
        events.onDelta(message);
        break;
    }
  }
}
