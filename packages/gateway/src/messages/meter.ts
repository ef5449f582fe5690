import type { Usage } from './types.ts';

/** The usage of one answer, as far as it is known. */
export interface Meter {
  usage: Usage;
  stopReason: string | undefined;
  complete: boolean;
  /** Tokens sent to the client so far, roughly: for answers that break off. */
  sent: number;
}

export function createMeter(): Meter {
  return {
    usage: { input_tokens: 0, output_tokens: 0, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
    stopReason: undefined,
    complete: false,
    sent: 0,
  };
}

/** Copies the counts of a usage object; later ones win, as in Anthropic's stream. */
export function readUsage(meter: Meter, usage: unknown): void {
  if (typeof usage !== 'object' || usage === null) return;
  for (const name of Object.keys(meter.usage) as (keyof Usage)[]) {
    const value = (usage as Record<string, unknown>)[name];
    if (typeof value === 'number') meter.usage[name] = value;
  }
}

/**
 * Estimates the output of an answer that broke off or was abandoned: the real count would have come at the end, and the
 * provider bills for the output anyway.
 */
export function estimateOutput(meter: Meter): void {
  if (meter.complete) return;
  meter.usage.output_tokens = Math.max(meter.usage.output_tokens, Math.ceil(meter.sent));
}
