import type { AgentEvents, AgentMessage, TurnEnd } from '../agent.ts';
import type { ResultMessage } from './results.ts';

/**
 * A turn of the agent's own begins when `init` comes and no message of ours was taken up. Measured on 2.1.330: two
 * background tasks that end together give two of them, and the first is empty: its result, without a model call,
 * follows within 2 ms. So a turn counts from the first word of it, or from this long after `init`.
 */
const OWN_TURN_AFTER_MS = 50;

/** Tells when the agent begins a turn by itself, and when it works or has nothing to do. */
export function createOwnTurns(events: AgentEvents) {
  let takenUp = false;
  let timer: NodeJS.Timeout | undefined;
  const end = (): void => {
    clearTimeout(timer);
    timer = undefined;
  };
  const begin = (): void => {
    end();
    events.onOwnTurn();
  };
  return {
    end,
    /** @param taken the message tells that one of ours was taken up */
    observe(message: AgentMessage, taken: boolean): void {
      if (message.type === 'result') {
        if (timer && (message as unknown as ResultMessage).num_turns > 0) begin();
        end();
        takenUp = false;
      } else if (taken) {
        takenUp = true;
        end();
      } else if (message.type === 'system' && message.subtype === 'init') {
        end();
        if (!takenUp) timer = setTimeout(begin, OWN_TURN_AFTER_MS);
      } else if (message.type === 'system' && message.subtype === 'session_state_changed') {
        if (message.state === 'idle') events.onIdle();
        else events.onBusy();
      } else if (timer && isSpoken(message)) begin();
    },
  };
}

/** What the main agent says: a subagent in the background may speak at any time. */
const isSpoken = (message: AgentMessage): boolean =>
  (message.type === 'assistant' || message.type === 'stream_event') && message.parent_tool_use_id === null;

/** A hook of the user's settings refused the prompt: the result that follows calls that a success. */
export function blockedBy(message: AgentMessage): TurnEnd['error'] {
  const { prompt_submit_outcome: outcome } = message as {
    prompt_submit_outcome?: { kind: string; reason?: string };
  };
  if (message.type !== 'system' || !outcome?.kind.startsWith('blocked')) return null;
  const words = outcome.reason ?? String(message.content);
  return { code: 'blocked', message: `A hook blocked the message: ${words}` };
}
