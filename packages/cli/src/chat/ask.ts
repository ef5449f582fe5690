import type { PermissionMode, RespondPermission } from 'claude-agent-protocol';
import type { Panel } from '../term/panels.ts';
import type { Paint } from '../term/style.ts';

export type Answer = Omit<RespondPermission, 'request_id'> & {
  /** The permission mode to go on in. */
  mode?: PermissionMode;
};

/** Asks something and waits; undefined when the request was settled elsewhere. */
export type Open = <T>(panel: Panel<T>) => Promise<T | undefined>;

export interface AskDeps {
  open: Open;
  paint: Paint;
  /** How many requests wait, this one included. */
  waiting(): number;
}
