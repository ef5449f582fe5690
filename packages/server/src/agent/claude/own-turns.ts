import type { AgentEvents, AgentMessage, TurnEnd } from '../agent.ts';
import type { ResultMessage } from './results.ts';

/**
 * The agent starts its own turn when `init` arrives and no message of ours was taken up. Measured on 2.1.330: two
 * background tasks that end together give two such turns, and the first is empty: its result, without a model call,
 * follows within 2 ms. So a turn counts from its first message, or from this long after `init`.
 */
const OWN_TURN_AFTER_MS = 50;

/** Detects turns that the agent begins by itself, and whether it is busy or idle. */
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
    /** @param taken the message says that one of ours was taken up */
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

/** Messages of the main agent; a background subagent may send one at any time. */
const isSpoken = (message: AgentMessage): boolean =>
  (message.type === 'assistant' || message.type === 'stream_event') && message.parent_tool_use_id === null;

/** A hook in the user's settings refused the prompt; the result that follows calls it a success. */
export function blockedBy(message: AgentMessage): TurnEnd['error'] {
  const { prompt_submit_outcome: outcome } = message as {
    prompt_submit_outcome?: { kind: string; reason?: string };
  };
  if (message.type !== 'system' || !outcome?.kind.startsWith('blocked')) return null;
  const words = outcome.reason ?? String(message.content);
  return { code: 'blocked', message: `A hook blocked the message: ${words}` };
}
