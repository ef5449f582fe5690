import type { Session } from 'claude-agent-client';

/** A dialog about one session. */
export type SessionDialog = 'rename' | 'fork' | 'rewind' | 'close' | 'erase';

/** What can be done with a row. */
export interface RowActions {
  open(dialog: SessionDialog, session: Session): void;
  /** Goes on with a closed session. */
  resume(session: Session): void;
  filter(by: { cwd: string } | { tag: string }): void;
}
