import type { PermissionRequest, SessionState } from 'claude-agent-protocol';
import { permissionView } from '../permissions/view.ts';
import type { Store } from '../store/store.ts';

/** What the log has of a session that no node runs. */
export interface LeftOpen {
  /** Undefined when nothing is open. */
  state: SessionState | undefined;
  pending: PermissionRequest[];
  currentTurnId: string | null;
  queuedTurns: number;
}

/**
 * What the last owner of a session left, as the inbox shows it too: until a node takes the session over there is no actor to
 * ask.
 */
export async function readLeftOpen(store: Pick<Store, 'openWork'>, id: string): Promise<LeftOpen> {
  const { queued, running, pending } = await store.openWork([id]);
  const current = running.find(({ steers }) => steers === null);
  return {
    state: pending.length > 0 ? 'waiting' : current && 'running',
    pending: pending.map(permissionView),
    currentTurnId: current?.id ?? null,
    queuedTurns: queued.filter(({ steers }) => steers === null).length,
  };
}
