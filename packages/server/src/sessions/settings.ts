import type { PermissionMode } from 'claude-agent-protocol';
import type { AgentProcess } from '../agent/agent.ts';
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

/** The settings of a session that a caller can change. */
export interface Settings {
  setModel(model: string | null): Promise<void>;
  setPermissionMode(mode: PermissionMode): Promise<void>;
  patch(set: Partial<Pick<Settable, 'title' | 'metadata' | 'options' | 'secrets'>>): Promise<void>;
  /**
   * Applies the settings of a resume: at once, or at the agent's next start.
   * @throws AppError 409 for settings that a running agent cannot take; nothing has changed then
   */
  change(changes: Partial<Settable>): Promise<void>;
  /** Settles when no change of options is being stored. */
  written(): Promise<void>;
}

export function createSettings(deps: SettingsDeps): Settings {
  const { policy, actor, process, defaultModel, requireOpen, background } = deps;
  const { state, call } = actor;
  /** The change of options that is being checked and stored. */
  let changing: Promise<unknown> = Promise.resolve();

  /** A start may have got its permit, and read the settings, just before they were stored. */
  const tellStarted = (say: (live: AgentProcess) => Promise<void>): void => {
    if (process.isUp()) background(process.tell(say), 'tell an agent that starts of a changed setting');
  };

  const setModel = async (model: string | null): Promise<void> => {
    requireOpen();
    policy.checkModel(model, state().record);
    const before = state().record.model;
    const told = await process.tell((live) => live.setModel(model ?? defaultModel));
    try {
      await call({ kind: 'set-model', model });
      if (!told) tellStarted((live) => live.setModel(model ?? defaultModel));
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
    policy.checkMode(mode, state().record);
    const told = await process.tell((live) => live.setPermissionMode(mode));
    await call({ kind: 'set-permission-mode', mode });
    if (!told) tellStarted((live) => live.setPermissionMode(mode));
  };

  const patch = async (
    set: Partial<Pick<Settable, 'title' | 'metadata' | 'options' | 'secrets'>>,
  ): Promise<void> => {
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
      secrets: others.secrets ?? record.secrets,
    });
    await changing;
    // The agent is told before they are stored, because it may refuse.
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
