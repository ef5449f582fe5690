import type { UsageRow } from '../../store/store.ts';

/** How one process reaches its models, and what that comes to. */
export interface ModelLink {
  /** The whole environment of the process. */
  env: Record<string, string>;
  /**
   * Where its model calls go through this server's gateway: what was spent since this was last asked. The gateway
   * knows real prices; the SDK invents one for every name that it does not know.
   */
  meter: { take(): Promise<UsageRow[]> } | undefined;
  /** Adds to the agent's words why a turn failed, when it knows more; undefined for a turn that did not fail. */
  explain(words: string | undefined): string | undefined;
  /** The process is gone: its credentials are worth nothing any more. */
  end(): void;
}
