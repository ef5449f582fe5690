import { pause, ServerUnreachable } from 'claude-agent-client';

const MAX_PAUSE_MS = 5000;

export interface WaitOptions {
  /** Ends the waiting. */
  signal: AbortSignal;
  /** Called with the problem while no server answers, and with undefined once one does. */
  onAway(problem: string | undefined): void;
}

/**
 * Tries again for as long as no server answers: it may be starting. Undefined when the signal fired before one did;
 * any other error is thrown.
 */
export async function untilServerAnswers<T>(
  attempt: () => Promise<T>,
  { signal, onAway }: WaitOptions,
): Promise<T | undefined> {
  for (let tries = 0; !signal.aborted; tries += 1) {
    try {
      const value = await attempt();
      onAway(undefined);
      return value;
    } catch (error) {
      if (!(error instanceof ServerUnreachable)) throw error;
      onAway(`${error.message} Trying again…`);
      await pause(Math.min(MAX_PAUSE_MS, 300 * 2 ** Math.min(tries, 5)), signal);
    }
  }
  return undefined;
}
