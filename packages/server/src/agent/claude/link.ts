import type { UsageRow } from '../../store/store.ts';

/** How one process reaches its models, and what its calls cost. */
export interface ModelLink {
  /** The whole environment of the process. */
  env: Record<string, string>;
  /**
   * The amount spent since the last call, where model calls go through this server's gateway. The gateway knows real
   * prices; the SDK invents one for every name that it does not know.
   */
  meter: { take(): Promise<UsageRow[]> } | undefined;
  /** Adds the reason of a failed turn to the agent's message, if known; undefined for a turn that did not fail. */
  explain(words: string | undefined): string | undefined;
  /** The process is gone: revokes its credentials. */
  end(): void;
}
