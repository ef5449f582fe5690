import type { AgentSession } from 'claude-agent-client';
import type { Key } from '../term/keys.ts';
import type { Panel } from '../term/panels.ts';
import type { Paint } from '../term/style.ts';
import type { Ui } from '../term/ui.ts';
import type { ViewState } from '../view/state.ts';
import { askUser } from './approvals.ts';

export interface PermissionPanels {
  /** Opens a panel for each new request, and closes those of requests that were settled elsewhere. */
  update(session: AgentSession, permissions: ViewState['permissions']): void;
  closeAll(): void;
}

export interface PermissionPanelsDeps {
  ui: Ui;
  paint: Paint;
  /** Ctrl-C means the turn also while the agent asks something; the interrupt settles the question. */
  onCtrlC(key: Key): void;
  onError(error: unknown): void;
}

export function createPermissionPanels({
  ui,
  paint,
  onCtrlC,
  onError,
}: PermissionPanelsDeps): PermissionPanels {
  const open = new Map<string, AbortController>();
  let waiting = 0;

  const withCtrlC = <T>(panel: Panel<T>): Panel<T> => ({
    ...panel,
    key(key) {
      if (!key.ctrl || key.name !== 'c') return panel.key(key);
      onCtrlC(key);
      return undefined;
    },
  });

  const ask = async (
    session: AgentSession,
    request: ViewState['permissions'][number],
    settled: AbortSignal,
  ): Promise<void> => {
    const answer = await askUser(request, {
      open: (panel) => ui.open(withCtrlC(panel), settled),
      paint,
      waiting: () => waiting,
    });
    if (answer === undefined || settled.aborted) return;
    const { mode, ...response } = answer;
    // The mode first: what the agent does next may begin before a second request arrives.
    if (mode !== undefined) await session.setMode(mode);
    await session.respond({ request_id: request.request_id, ...response });
  };

  return {
    update(session, permissions) {
      waiting = permissions.length;
      for (const [id, settled] of open) {
        if (permissions.some((request) => request.request_id === id)) continue;
        settled.abort();
        open.delete(id);
      }
      for (const request of permissions) {
        if (open.has(request.request_id)) continue;
        const settled = new AbortController();
        open.set(request.request_id, settled);
        ask(session, request, settled.signal).catch(onError);
      }
    },
    closeAll() {
      for (const settled of open.values()) settled.abort();
      open.clear();
    },
  };
}
