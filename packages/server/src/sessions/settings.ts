import type { PermissionMode } from 'claude-agent-protocol';
import type { Policy } from './policy.ts';
import type { ProcessHandle } from './process.ts';
import { requireLive, type Settable } from './resume.ts';
import type { SessionActor } from './session-actor.ts';

export interface SettingsDeps {
  policy: Policy;
  actor: SessionActor;
  process: ProcessHandle;
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
  const { policy, actor, process, defaultModel, requireOpen, background } = deps;
  const { state, call } = actor;
  /** A change of options on its way into the store. */
  let changing: Promise<unknown> = Promise.resolve();

  const setModel = async (model: string | null): Promise<void> => {
    requireOpen();
    const before = state().record.model;
    await process.tell((live) => live.setModel(model ?? defaultModel));
    try {
      await call({ kind: 'set-model', model });
    } catch (error) {
      background(
        process.tell((live) => live.setModel(before ?? defaultModel)),
        'go back to the model before',
      );
      throw error;
    }
  };

  const setPermissionMode = async (mode: PermissionMode): Promise<void> => {
    requireOpen();
    await process.tell((live) => live.setPermissionMode(mode));
    await call({ kind: 'set-permission-mode', mode });
  };

  const patch = async (set: Partial<Pick<Settable, 'title' | 'metadata' | 'options'>>): Promise<void> => {
    await call({ kind: 'patch', set });
  };

  const change = async ({ model, permissionMode, ...others }: Partial<Settable>): Promise<void> => {
    requireOpen();
    if (process.isUp()) requireLive(state().record, others);
    const { record } = state();
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
