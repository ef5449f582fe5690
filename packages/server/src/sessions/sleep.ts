import { canSleep } from './machine/state.ts';
import type { Holder, Permits } from './permits.ts';
import type { ProcessHandle } from './process.ts';
import type { SessionActor } from './session-actor.ts';

export interface SleepDeps {
  actor: SessionActor;
  process: Pick<ProcessHandle, 'isInUse' | 'gone'>;
  permits: Pick<Permits, 'noteIdle'>;
  /** How long an idle process is kept; 0 for no limit. */
  afterSeconds(): number;
  onError(error: unknown, what: string): void;
}

export interface Sleep extends Holder {
  /** Nothing uses the process from now on: it ends after some time, or when another session needs one. */
  begin(): void;
  /** A question to the agent is answered: the time begins again. */
  beginAgain(): void;
  end(): void;
}

/** Lets the process of an idle session go. It ends in order: the agent writes what the session has cost. */
export function createSleep({ actor, process, permits, afterSeconds, onError }: SleepDeps): Sleep {
  let timer: NodeJS.Timeout | undefined;

  const sleep = async (): Promise<boolean> => {
    if (process.isInUse()) return false;
    const outcome = await actor.call({ kind: 'sleep' });
    // A message of the same commit may have begun to start another process: only the end of this one is awaited.
    await process.gone();
    return outcome.ok && outcome.effects.some(({ kind }) => kind === 'end-idle-process');
  };

  const holder: Sleep = {
    maker: actor.state().record.createdBy,
    sleep,
    isIdle: () => !process.isInUse() && canSleep(actor.state()),
    begin() {
      clearTimeout(timer);
      permits.noteIdle(holder);
      const seconds = afterSeconds();
      if (seconds === 0) return;
      timer = setTimeout(() => {
        sleep().catch((error: unknown) => onError(error, 'end an idle agent'));
      }, seconds * 1000);
      timer.unref();
    },
    beginAgain: () => canSleep(actor.state()) && holder.begin(),
    end: () => clearTimeout(timer),
  };
  return holder;
}
