import type { PermissionMode } from 'claude-agent-protocol';
import type { Agent } from '../agent/agent.ts';
import type { Called, Decide, Ledger } from './ledger.ts';
import type { Policy } from './policy.ts';
import { requireLive, type Settable } from './resume.ts';
import { noteMode, type State, update } from './state.ts';
import { stateEvent } from './views.ts';
import type { WarmAgent } from './warm.ts';

export interface SettingsDeps {
  agent: Agent;
  policy: Policy;
  ledger: Ledger<State>;
  call<T>(decide: Decide<State, T>): Promise<Called<T>>;
  warm: WarmAgent;
  defaultModel: string | undefined;
  /** @throws AppError when the session is closed */
  requireOpen(): void;
  background(work: Promise<unknown>, what: string): void;
}

/** What a caller can change of a session that is there. */
export interface Settings {
  setModel(model: string | null): Promise<void>;
  setPermissionMode(mode: PermissionMode): Promise<void>;
  patch(set: Partial<Pick<Settable, 'title' | 'metadata' | 'options'>>): Promise<void>;
  /**
   * Sets what a resume asks for: at once, or at the next start of the agent.
   * @throws AppError 409 for what a running agent cannot take, before anything is changed
   */
  change(changes: Partial<Settable>): Promise<void>;
  /** Settles when no change is on its way into the store. */
  written(): Promise<void>;
}

export function createSettings(deps: SettingsDeps): Settings {
  const { agent, policy, ledger, call, warm, defaultModel, requireOpen, background } = deps;
  /** A change of options on its way into the store. */
  let changing: Promise<unknown> = Promise.resolve();

  const setModel = async (model: string | null): Promise<void> => {
    requireOpen();
    const before = ledger.state().record.model;
    await warm.tell((process) => process.setModel(model ?? defaultModel));
    try {
      await call((draft) => {
        update(draft, { model });
        draft.write(stateEvent(draft.state.record, draft.state.shown, defaultModel));
      });
    } catch (error) {
      background(
        warm.tell((process) => process.setModel(before ?? defaultModel)),
        'go back to the model before',
      );
      throw error;
    }
  };

  const setPermissionMode = async (mode: PermissionMode): Promise<void> => {
    requireOpen();
    await warm.tell((process) => process.setPermissionMode(mode));
    await call((draft) => noteMode(draft, mode, defaultModel));
  };

  const patch = async (changed: Partial<Pick<Settable, 'title' | 'metadata' | 'options'>>): Promise<void> => {
    await call((draft) => {
      update(draft, changed);
      if (changed.title === undefined) return;
      draft.write(stateEvent(draft.state.record, draft.state.shown, defaultModel));
    });
    // The agent's own lists, and its terminal program, then show the title too.
    if (changed.title && ledger.state().record.hasTranscript) {
      background(agent.rename(ledger.state().record.conversationId, changed.title), 'title the transcript');
    }
  };

  const change = async ({ model, permissionMode, ...others }: Partial<Settable>): Promise<void> => {
    requireOpen();
    if (warm.isUp()) requireLive(ledger.state().record, others);
    const { record } = ledger.state();
    changing = policy.checkStart({
      ...record,
      permissionMode: permissionMode ?? record.permissionMode,
      options: others.options ?? record.options,
    });
    await changing;
    // Told before they are stored: the agent may refuse.
    if (model !== undefined) await setModel(model);
    if (permissionMode !== undefined) await setPermissionMode(permissionMode);
    if (Object.keys(others).length > 0) {
      changing = patch(others);
      await changing;
    }
  };

  return {
    setModel,
    setPermissionMode,
    patch,
    change,
    async written() {
      await changing.catch(() => {});
    },
  };
}
