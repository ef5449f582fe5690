import type { Session } from 'claude-agent-client';

export interface SessionDialogProps {
  session: Session;
  close(): void;
}
